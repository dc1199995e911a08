"""Options of pipelines: what is not taken, or can't be, is named with its field."""

from typing import Any

import pytest

from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.options import check, check_values, is_boolean, is_integer, is_text, is_texts

RULES = {"top_k": (is_integer(1), "an integer of 1 or more"), "targets": (is_texts, "a list of texts")}


def test_every_wrong_option_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        check({"top_k": 0, "targets": "a"}, RULES)
    assert str(caught.value) == (
        "parameters.top_k: is 0; it must be an integer of 1 or more; "
        "parameters.targets: is 'a'; it must be a list of texts"
    )


def test_every_unknown_option_is_named_with_those_that_are_taken() -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        check({"b": 1, "top_k": 0, "a": 1}, RULES)
    assert [violation.field for violation in caught.value.violations] == ["parameters.a", "parameters.b"]
    assert "it takes targets, top_k" in caught.value.violations[0].problem


@pytest.mark.parametrize(
    "options", [{}, {"top_k": 1, "targets": []}, {"top_k": None}, {"batch_size": 8, "num_workers": 1}], ids=str
)
def test_what_is_taken(options: dict[str, Any]) -> None:
    check(options, RULES)


def test_a_pipeline_that_ignores_what_it_does_not_know() -> None:
    check_values({"b": 1}, RULES)
    with pytest.raises(InvalidInput, match=r"parameters\.top_k"):
        check_values({"b": 1, "top_k": 0}, RULES)


@pytest.mark.parametrize(
    ("test", "right", "wrong"),
    [
        pytest.param(is_integer(0), [0, 7], [-1, True, 1.0, "1"], id="integer"),
        pytest.param(is_boolean, [True, False], [0, "true"], id="truth value"),
        pytest.param(is_text, ["", "a"], [1, b"a", ["a"]], id="text"),
        pytest.param(is_texts, [[], ["a"], ("a", "b")], ["a", [1], {"a": "b"}], id="texts"),
    ],
)
def test_tests(test: Any, right: list[Any], wrong: list[Any]) -> None:
    assert [test(value) for value in (*right, *wrong)] == [True] * len(right) + [False] * len(wrong)
