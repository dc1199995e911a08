"""The precisions that a model may be run in, and how far each may take it from float32.

Numbers are compared as shares of the largest of all, decisions (labels, greedily generated tokens) as equal or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tolerance:
    """How far a compiled model may be from the eager one.

    `difference`: of any number, as a share of the largest that the eager model gave. `agreement`: the share of labels
    and of greedily generated tokens that must be equal, 0 to 1; of tokens those count that come before the first other.
    """

    difference: float
    agreement: float


@dataclass(frozen=True)
class Precision:
    """A precision by its short name. `dtype` is torch's name for the type that weights are loaded in."""

    name: str
    dtype: str
    tolerance: Tolerance


PRECISIONS: Mapping[str, Precision] = {
    each.name: each
    for each in (
        # The same sums in another order: graphs of real models come to 1e-6.
        Precision("fp32", "float32", Tolerance(1e-3, 1.0)),
        # Real models come to 4e-3. Of a greedy T5 with scores that near 90% of the tokens were equal on its probes.
        Precision("fp16", "float16", Tolerance(2e-2, 0.85)),
        # Three bits less than fp16: real models come to 0.014 on real texts.
        Precision("bf16", "bfloat16", Tolerance(5e-2, 0.85)),
        # Eight bits quantize a graph of float32. Real models come to 0.14 on their probes, with every label equal;
        # tiny ones whose products overflow to 0.3 and more. Of a T5 that writes other titles 69% of tokens are equal.
        Precision("int8", "float32", Tolerance(0.2, 0.85)),
    )
}


def of_dtype(dtype: Any) -> Precision:
    """The precision of weights of a torch type; types without a name of their own count as float32."""
    name = str(dtype).removeprefix("torch.")
    return next((each for each in PRECISIONS.values() if each.dtype == name), PRECISIONS["fp32"])
