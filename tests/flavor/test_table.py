"""The one table from task to family."""

import dataclasses

import pytest

from savor.flavor import table
from savor.flavor.errors import LoadRefused
from savor.flavor.family import Family, Rpc

METHODS = [
    pytest.param(family, method, id=f"{family.service}/{method.name}")
    for family in table.FAMILIES
    for method in family.methods
]


@pytest.mark.parametrize("family", table.FAMILIES, ids=lambda family: family.name)
def test_a_family_is_found_by_each_of_its_tasks(family: Family) -> None:
    assert family.tasks
    assert all(family in table.families_of(task) for task in family.tasks)


@pytest.mark.parametrize("family", table.FAMILIES, ids=lambda family: family.name)
def test_every_task_of_a_family_has_an_rpc(family: Family) -> None:
    for task in family.tasks:
        assert [rpc for rpc in family.methods if family.serves(rpc, task)]
        assert any(rpc.startswith(f"{family.service}/") for rpc in table.rpcs_of(task))


def test_a_task_that_no_family_serves_is_named_with_those_that_are() -> None:
    with pytest.raises(LoadRefused) as caught:
        table.families_of("image-to-image")
    for word in ("'image-to-image'", *(task for family in table.FAMILIES for task in family.tasks)):
        assert word in str(caught.value)


@pytest.mark.parametrize(("family", "method"), METHODS)
def test_requests_and_responses_are_frozen_values(family: Family, method: Rpc) -> None:
    for kind in (method.request, method.response):
        assert dataclasses.is_dataclass(kind)
        assert kind.__dataclass_params__.frozen
    # The exact door answers with a body of MLflow's.
    results = "json" if family.name == "pyfunc" else "results"
    assert results in {field.name for field in dataclasses.fields(method.response)}


@pytest.mark.parametrize("task", sorted(frozenset().union(*(family.tasks for family in table.FAMILIES))))
def test_every_task_has_a_family_of_its_own_before_the_exact_door(task: str) -> None:
    serving = table.families_of(task)
    assert len(serving) >= 2
    assert [family.name for family in serving].index("pyfunc") == len(serving) - 1


def test_a_chat_model_is_first_of_all_the_chat_familys() -> None:
    names = [[family.name for family in table.families_of("text-generation", task)] for task in ("", "llm/v1/chat")]
    assert names == [["text-generation", "chat", "pyfunc"], ["chat", "text-generation", "pyfunc"]]
