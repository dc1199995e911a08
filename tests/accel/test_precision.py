"""The precisions by name and by torch's type."""

import pytest
import torch

from savor.accel.precision import PRECISIONS, Tolerance, of_dtype


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        pytest.param(torch.float32, "fp32", id="float32"),
        pytest.param(torch.float16, "fp16", id="float16"),
        pytest.param("bfloat16", "bf16", id="bfloat16 as a word"),
        pytest.param(torch.float64, "fp32", id="a type without a name of its own"),
    ],
)
def test_weights_have_the_precision_of_their_type(dtype: object, name: str) -> None:
    assert of_dtype(dtype).name == name


def test_eight_bits_are_made_of_float32() -> None:
    assert PRECISIONS["int8"].dtype == "float32"


def test_fewer_bits_are_allowed_more() -> None:
    allowed = [PRECISIONS[name].tolerance.difference for name in ("fp32", "fp16", "bf16", "int8")]
    assert allowed == sorted(set(allowed))


def test_only_float32_must_decide_all_alike() -> None:
    strict = {name for name, each in PRECISIONS.items() if each.tolerance.agreement == 1.0}
    assert strict == {"fp32"}
    assert PRECISIONS["int8"].tolerance == Tolerance(0.2, 0.85)
