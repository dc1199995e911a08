"""The one table from task to family."""

import dataclasses

import pytest

from savor.flavor import table
from savor.flavor.errors import LoadRefused
from savor.flavor.family import Family, Method

METHODS = [
    pytest.param(family, method, id=f"{family.service}/{method.name}")
    for family in table.FAMILIES
    for method in family.methods
]


@pytest.mark.parametrize("family", table.FAMILIES, ids=lambda family: family.name)
def test_a_family_is_found_by_each_of_its_tasks(family: Family) -> None:
    assert family.tasks
    assert {table.family_of(task).name for task in family.tasks} == {family.name}


def test_no_two_families_share_a_task() -> None:
    tasks = [task for family in table.FAMILIES for task in family.tasks]
    assert len(tasks) == len(set(tasks))


def test_a_task_that_no_family_serves_is_named_with_those_that_are() -> None:
    with pytest.raises(LoadRefused) as caught:
        table.family_of("image-to-image")
    for word in ("'image-to-image'", *(task for family in table.FAMILIES for task in family.tasks)):
        assert word in str(caught.value)


@pytest.mark.parametrize(("family", "method"), METHODS)
def test_requests_and_responses_are_frozen_values(family: Family, method: Method) -> None:
    for kind in (method.request, method.response):
        assert dataclasses.is_dataclass(kind)
        assert kind.__dataclass_params__.frozen
    assert "results" in {field.name for field in dataclasses.fields(method.response)}
