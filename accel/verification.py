"""Compiled against eager before it serves: the same items through both, alone and in batches, and how far they differ.

The items are those of probes of several lengths, and of the texts in the model's own input example.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from savor.accel.backend import Backend, Batch
from savor.accel.precision import Precision, Tolerance
from savor.accel.report import Comparison, Report
from savor.flavor.item import Array, Item, Row

Rows = Sequence[Row]

_TINY = 1e-6


class Verification:
    """What the eager model gives for some probes, to hold compiled ones against."""

    def __init__(self, eager: Backend, probes: Mapping[str, Sequence[Item]]) -> None:
        self._batches = tuple(_batches(probes))
        self._expected = [eager.run(batch) for _, batch in self._batches]
        self._scales = _scales(row for rows in self._expected for row in rows)

    def compare(self, compiled: Backend, precision: Precision) -> Report:
        """How far a compiled model is from the eager one. Raises what the compiled model raises."""
        comparisons = tuple(
            self._compare(name, expected, compiled.run(batch), precision.tolerance)
            for (name, batch), expected in zip(self._batches, self._expected, strict=True)
        )
        return Report(precision.name, precision.tolerance, comparisons)

    def _compare(self, name: str, expected: Rows, given: Rows, tolerance: Tolerance) -> Comparison:
        pairs = [
            (want[key], got[key], self._scales[key]) for want, got in zip(expected, given, strict=True) for key in want
        ]
        differences = [_difference(want, got, scale) for want, got, scale in pairs]
        agreements = [_agreement(want, got, tolerance.difference * scale) for want, got, scale in pairs]
        largest, mean = max(largest for largest, _ in differences), float(np.mean([mean for _, mean in differences]))
        return Comparison(name, largest, mean, float(np.mean(agreements)))


class _Everybody:
    """A watch of items that nobody leaves."""

    def alive(self) -> bool:
        return True


def _batches(probes: Mapping[str, Sequence[Item]]) -> Iterator[tuple[str, Batch]]:
    """Each item alone; then together all those that may share a batch, and the longest two of them."""
    lanes: dict[Any, list[Item]] = {}
    for name, items in probes.items():
        for item in items:
            lanes.setdefault((item.run, item.alike), []).append(item)
            yield name, _batch([item])
    for lane in lanes.values():
        together = sorted(lane, key=lambda item: item.length)
        if len(together) > 1:
            yield f"{len(together)} in a batch", _batch(together)
        if len(together) > 2:
            yield "the longest two", _batch(together[-2:])


def _batch(items: Sequence[Item]) -> Batch:
    return Batch(tuple(items), (_Everybody(),) * len(items))


def _scales(rows: Iterable[Row]) -> Mapping[str, float]:
    """The largest number of each output in all rows: where one row's happen to be small, a difference means little."""
    scales: dict[str, float] = {}
    for row in rows:
        for name, array in row.items():
            finite = array[np.isfinite(array)]
            scales[name] = max(scales.get(name, _TINY), float(np.abs(finite).max(initial=0.0)))
    return scales


def _difference(expected: Array, given: Array, scale: float) -> tuple[float, float]:
    """Largest and mean difference of numbers, as shares of the scale; tokens have none."""
    if expected.dtype.kind != "f" or not expected.size:
        return 0.0, 0.0
    if expected.shape != given.shape:
        return math.inf, math.inf
    # A number that is not finite in the one must be the same in the other.
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], given[~finite], equal_nan=True):
        return math.inf, math.inf
    apart = np.nan_to_num(np.abs(expected[finite].astype(np.float64) - given[finite]) / scale, nan=math.inf)
    return float(apart.max(initial=0.0)), float(apart.mean()) if apart.size else 0.0


def _agreement(expected: Array, given: Array, tie: float) -> float:
    """The share of decisions that both made alike: tokens one after another, scores by the best of the last axis.

    Where the best two are no further apart than `tie`, either is right.
    """
    if expected.dtype.kind != "f":
        return _common(expected.ravel(), given.ravel())
    if expected.ndim == 0 or not expected.size or expected.shape != given.shape:
        return 1.0
    chosen = np.take_along_axis(expected, given.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return float(np.mean(expected.max(axis=-1) - chosen <= tie))


def _common(expected: Array, given: Array) -> float:
    """The share of a sequence before the first difference."""
    longest = max(len(expected), len(given))
    shared = min(len(expected), len(given))
    other = np.nonzero(expected[:shared] != given[:shared])[0]
    same = int(other[0]) if other.size else shared
    return same / longest if longest else 1.0
