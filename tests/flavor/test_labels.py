"""Logits to labels: transformers' functions, stable order, and as many as are wanted."""

from typing import Any

import numpy as np
import pytest
import torch

from savor.flavor import labels, options
from savor.flavor.errors import InvalidInput
from savor.flavor.labels import Labelling, labelling

LOGITS = np.array([0.5, -2.0, 3.0, 0.5], np.float32)
NAMES = {0: "a", 1: "b", 2: "c", 3: "d"}
DEFAULT = Labelling("softmax", 3, NAMES)


def _names(asked: int | None, **given: Any) -> list[str]:
    return [each.label for each in labelling(asked, given, DEFAULT)(LOGITS)]


COUNTS = [
    pytest.param(None, {}, "cad", id="the default"),
    pytest.param(None, {"top_k": 2}, "ca", id="the saved number"),
    pytest.param(None, {"top_k": None}, "cad", id="a saved null"),
    pytest.param(1, {"top_k": 2}, "c", id="the request's number"),
    pytest.param(0, {"top_k": 2}, "cadb", id="all"),
    pytest.param(9, {}, "cadb", id="more than there are"),
]


@pytest.mark.parametrize(("asked", "given", "expected"), COUNTS)
def test_how_many_labels(asked: int | None, given: dict[str, Any], expected: str) -> None:
    assert _names(asked, **given) == list(expected)


FUNCTIONS = [
    pytest.param("softmax", lambda x: x.softmax(-1), id="softmax"),
    pytest.param("Sigmoid", lambda x: x.sigmoid(), id="sigmoid, in any case"),
    pytest.param("none", lambda x: x, id="none"),
]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS)
def test_scores_are_those_of_the_function(name: str, function: Any) -> None:
    logits = np.array([1000.0, -1000.0, 3.0, 0.5], np.float32)
    scored = labelling(0, {"function_to_apply": name}, DEFAULT)(logits)
    expected = dict(zip("abcd", function(torch.from_numpy(logits)).tolist(), strict=True))
    assert {each.label: each.score for each in scored} == pytest.approx(expected)


def test_a_number_below_none() -> None:
    with pytest.raises(InvalidInput, match="top_k: is -1"):
        labelling(-1, {}, DEFAULT)


WRONG = [
    pytest.param({"top_k": 0}, id="no labels"),
    pytest.param({"top_k": True}, id="a truth value"),
    pytest.param({"top_k": "two"}, id="a number that is text"),
    pytest.param({"function_to_apply": "argmax"}, id="an unknown function"),
    pytest.param({"function_to_apply": 1}, id="a function that is a number"),
]


@pytest.mark.parametrize("given", WRONG)
def test_options_that_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=rf"parameters\.{next(iter(given))}"):
        options.check(given, labels.RULES)
