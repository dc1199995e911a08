"""Compiled against eager before it serves: the same items through both, alone and in batches, and how far they differ.

The items are those of probes of several lengths, and of the texts in the model's own input example. Of what generates,
the tokens are compared, and the scores that the first of them were chosen by: in those a defect shows long before it
changes a token.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessorList

from savor.accel.backend import Backend, Batch, unwatched
from savor.accel.precision import Precision, Tolerance
from savor.accel.report import Comparison, Report
from savor.flavor.item import Array, Generate, Item, Row, Step

Rows = Sequence[Row]

_TINY = 1e-6
_STEPS = 4
"""Steps of a generation of which the scores are kept: the first reads the prompt, all others are like the second."""


class Verification:
    """What the eager model gives for some probes, to hold compiled ones against."""

    def __init__(self, eager: Backend, probes: Mapping[str, Sequence[Item]]) -> None:
        self._batches = tuple(_batches(probes))
        self._expected = [_run(eager, batch) for _, batch in self._batches]
        self._scales = _scales(row for rows in self._expected for row in rows)

    def compare(self, compiled: Backend, precision: Precision) -> Report:
        """How far a compiled model is from the eager one. Raises what the compiled model raises."""
        comparisons = tuple(
            self._compare(name, expected, _run(compiled, batch), precision.tolerance)
            for (name, batch), expected in zip(self._batches, self._expected, strict=True)
        )
        return Report(precision.name, precision.tolerance, comparisons)

    def _compare(self, name: str, expected: Rows, given: Rows, tolerance: Tolerance) -> Comparison:
        rows = list(zip(expected, given, strict=True))
        differences = [
            _difference(want[key], _comparable(key, want, got), self._scales[key])
            for want, got in rows
            for key in want
            if _is_real(want[key])
        ] or [(0.0, 0.0)]
        ties = {key: tolerance.difference * scale for key, scale in self._scales.items()}
        largest, mean = max(largest for largest, _ in differences), float(np.mean([mean for _, mean in differences]))
        return Comparison(name, largest, mean, float(np.mean([_agreement(want, got, ties) for want, got in rows])))


class _Scores:
    """A logits processor that keeps the scores of a generation's first steps, and changes none."""

    def __init__(self) -> None:
        self._steps: list[Array] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The same scores: shape (sequences of the batch, vocabulary)."""
        if len(self._steps) < _STEPS:
            self._steps.append(scores.float().cpu().numpy())
        return scores

    def of(self, index: int) -> Array:
        """The scores of a sequence: shape (steps, vocabulary)."""
        return np.stack([step[index] for step in self._steps])


def _run(backend: Backend, batch: Batch) -> Rows:
    """The rows of a batch, with the scores of the first steps where it generates."""
    run = batch.run
    if not isinstance(run, Generate | Step) or "max_new_tokens" not in run.options:
        return backend.run(batch)
    scores = _Scores()
    listened = replace(run, options={**run.options, "logits_processor": LogitsProcessorList([scores])})
    rows = backend.run(replace(batch, items=tuple(replace(item, run=listened) for item in batch.items)))
    return [{"tokens": tokens_of(row), "scores": scores.of(index)} for index, row in enumerate(rows)]


def tokens_of(row: Row) -> Array:
    """The tokens of an item's one sequence, without what fills the batch behind its end where that is known."""
    return row["tokens"][0][: row["lengths"][0]] if "lengths" in row else row["tokens"]


def _comparable(key: str, expected: Row, given: Row) -> Array:
    """What is to be held against an expected array. Scores that follow other tokens mean nothing: they are left out.

    They count as equal, for the tokens tell of it already.
    """
    want, got = expected[key], given[key]
    if key != "scores":
        return got
    told = got[: len(want) if np.array_equal(expected["tokens"], given["tokens"]) else 1]
    return np.concatenate([told, want[len(told) :]])


def _batches(probes: Mapping[str, Sequence[Item]]) -> Iterator[tuple[str, Batch]]:
    """Each item alone; then together all those that may share a batch, and the longest two of them.

    Where none may, as with sounds of several lengths, one runs beside itself.
    """
    lanes: dict[Any, list[Item]] = {}
    for name, items in probes.items():
        for item in items:
            lanes.setdefault((item.run, item.alike), []).append(item)
            yield name, unwatched([item])
    for lane in lanes.values():
        together = sorted(lane, key=lambda item: item.length)
        if len(together) > 1:
            yield f"{len(together)} in a batch", unwatched(together)
        if len(together) > 2:
            yield "the longest two", unwatched(together[-2:])
    if lanes and max(map(len, lanes.values())) == 1:
        [shortest] = min(lanes.values(), key=lambda lane: lane[0].length)
        yield "one twice in a batch", unwatched([shortest, shortest])


def _scales(rows: Iterable[Row]) -> Mapping[str, float]:
    """The largest number of each output in all rows: where one row's happen to be small, a difference means little."""
    scales: dict[str, float] = {}
    for row in rows:
        for name, array in row.items():
            finite = array[np.isfinite(array)]
            scales[name] = max(scales.get(name, _TINY), float(np.abs(finite).max(initial=0.0)))
    return scales


def _difference(expected: Array, given: Array, scale: float) -> tuple[float, float]:
    """Largest and mean difference of real numbers, as shares of the scale."""
    if expected.shape != given.shape:
        return math.inf, math.inf
    # A number that is not finite in the one must be the same in the other.
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], given[~finite], equal_nan=True):
        return math.inf, math.inf
    shares = np.abs(expected[finite].astype(np.float64) - given[finite]) / scale
    apart = np.nan_to_num(shares, nan=math.inf, posinf=math.inf)
    return float(apart.max(initial=0.0)), float(apart.mean()) if apart.size else 0.0


def _is_real(array: Array) -> bool:
    """Whether an array holds real numbers, and no tokens."""
    return array.dtype.kind == "f"


def _agreement(expected: Row, given: Row, ties: Mapping[str, float]) -> float:
    """The share of decisions that both made alike: of generated tokens, of those told at once, or by scores."""
    if "scores" in expected:
        return _common(expected["tokens"], given["tokens"])
    told = [key for key in expected if not _is_real(expected[key])]
    if told:
        return float(np.mean([_equal(expected[key], given[key]) for key in told]))
    return float(np.mean([_best(expected[key], given[key], ties[key]) for key in expected]))


def _common(expected: Array, given: Array) -> float:
    """The share of a sequence before the first difference, for each token follows from all before it."""
    longest = max(len(expected), len(given))
    shared = min(len(expected), len(given))
    other = np.nonzero(expected[:shared] != given[:shared])[0]
    same = int(other[0]) if other.size else shared
    return same / longest if longest else 1.0


def _equal(expected: Array, given: Array) -> float:
    """The share of equal tokens, place by place."""
    return float(np.mean(expected == given)) if expected.shape == given.shape and expected.size else 0.0


def _best(expected: Array, given: Array, tie: float) -> float:
    """The share of places at which the best score of the last axis is the same one.

    Where the best two are no further apart than `tie`, either is right.
    """
    if expected.ndim == 0 or not expected.size or expected.shape != given.shape:
        return 1.0
    chosen = np.take_along_axis(expected, given.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return float(np.mean(expected.max(axis=-1) - chosen <= tie))
