"""The error tree: reasons that are stable and each its own, and violations that name every field."""

import pytest

from savor.flavor import errors
from savor.flavor.errors import InvalidInput, Overloaded, SavorError, UnsupportedParameter, Violation


def _every(kind: type[SavorError]) -> list[type[SavorError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _every(child))]


def test_every_class_has_a_reason_of_its_own() -> None:
    reasons = [kind.reason for kind in _every(SavorError)]
    assert len(reasons) == len(set(reasons))
    assert all(reason.isupper() for reason in reasons)


def test_the_tree_that_the_module_draws_is_the_tree() -> None:
    drawn = {line.split("── ")[1].split()[0] for line in (errors.__doc__ or "").splitlines() if "── " in line}
    assert drawn == {kind.__name__ for kind in _every(SavorError)} - {"SavorError"}


def test_violations_are_kept_and_said() -> None:
    error = InvalidInput(Violation("inputs[3].text", "is empty"), Violation("top_k", "is -1"))
    assert [violation.field for violation in error.violations] == ["inputs[3].text", "top_k"]
    assert str(error) == "inputs[3].text: is empty; top_k: is -1"


@pytest.mark.parametrize("kind", [InvalidInput, UnsupportedParameter], ids=lambda kind: kind.__name__)
def test_at_makes_an_error_of_its_own_class(kind: type[InvalidInput]) -> None:
    error = kind.at("model", "is unknown")
    assert type(error) is kind
    assert error.violations == (Violation("model", "is unknown"),)


def test_an_overload_says_when_to_come_back() -> None:
    error = Overloaded("the queue is full", 1.5)
    assert (str(error), error.retry_after_s) == ("the queue is full", 1.5)
