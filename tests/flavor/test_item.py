"""Runs and items: equal options make equal runs, and `solo` equals nothing else."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from savor.flavor.item import Generate, as_row, key_of, solo, step

_OPTIONS = st.dictionaries(
    st.text(max_size=3),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3)),
)


@given(_OPTIONS)
def test_the_order_of_options_does_not_matter(options: dict[str, Any]) -> None:
    assert key_of(options) == key_of(dict(reversed(options.items())))
    assert step(options) == step(dict(reversed(options.items())))


DIFFERENT = [
    pytest.param({"a": 1}, {"a": 2}, id="values"),
    pytest.param({"a": 1}, {"b": 1}, id="names"),
    pytest.param({"a": 1}, {"a": 1.0}, id="an integer and a float"),
    pytest.param({"a": True}, {"a": 1}, id="a boolean and an integer"),
    pytest.param({"a": "1"}, {"a": 1}, id="text and a number"),
    pytest.param({"a": None}, {}, id="null and nothing"),
    pytest.param({"a": [1, 2]}, {"a": [2, 1]}, id="the order of a list"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_options_never_share_a_run(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert step(one) != step(other)
    assert Generate(key_of(one), one) != Generate(key_of(other), other)


def test_a_forward_is_no_generation() -> None:
    assert step({}) != Generate("{}", {})


def test_runs_are_found_in_dictionaries_though_their_options_are_not_hashable() -> None:
    assert {step({"a": [1]}): 1}[step({"a": [1]})] == 1


def test_solo_equals_no_other() -> None:
    one = solo()
    assert one != solo()
    assert {one: 1}[one] == 1


@pytest.mark.parametrize("value", [[1, 2], torch.tensor([1, 2]), np.array([1, 2])], ids=lambda v: type(v).__name__)
def test_a_row_holds_arrays(value: Any) -> None:
    row = as_row({"x": value})
    assert isinstance(row["x"], np.ndarray)
    assert row["x"].tolist() == [1, 2]
