"""What one request may hold."""

import pytest

from savor.flavor.errors import InvalidInput
from savor.flavor.limits import Limits


@pytest.mark.parametrize("count", [1, 3], ids=["one", "as many as allowed"])
def test_inputs_within_the_limit(count: int) -> None:
    Limits(max_inputs=3).check_inputs(["x"] * count)


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        pytest.param(0, "inputs: is empty", id="none"),
        pytest.param(4, "inputs: has 4 entries; this server takes 3", id="too many"),
    ],
)
def test_inputs_outside_it(count: int, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        Limits(max_inputs=3).check_inputs(["x"] * count)


def test_a_text_counts_characters_not_bytes() -> None:
    limits = Limits(max_text_chars=1000)
    limits.check_text("inputs[0]", "🙂" * 1000)
    with pytest.raises(InvalidInput, match=r"inputs\[7\]: has 1,001 characters; this server takes 1,000"):
        limits.check_text("inputs[7]", "x" * 1001)
