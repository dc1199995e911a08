"""How far a compiled model is from the eager one: scales, ties, numbers that are none, tokens, and what is compared at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from savor.accel.backend import BackendInfo, Batch
from savor.accel.eager import EagerBackend
from savor.accel.precision import PRECISIONS, Precision, Tolerance
from savor.accel.probes import probes
from savor.accel.report import Report
from savor.accel.verification import Verification
from savor.flavor.item import Forward, Generate, Item, Row
from tests.flavor.artifacts import artifact

STRICT = Precision("strict", "float32", Tolerance(1e-3, 1.0))


@dataclass
class Scripted:
    """A backend that gives the rows that an item's number stands for, and keeps the batches that it was given."""

    rows: Sequence[Any]

    def __post_init__(self) -> None:
        self.info = BackendInfo("scripted", "cpu", "fp32")
        self.batches: list[list[int]] = []

    def run(self, batch: Batch) -> list[Row]:
        numbers = [int(item.arrays["number"]) for item in batch.items]
        self.batches.append(numbers)
        return [{name: np.asarray(value) for name, value in self.rows[number].items()} for number in numbers]


def item(number: int, length: int = 1, alike: object = None, **run: Any) -> Item:
    return Item({"number": np.array(number)}, length, Forward(**run), alike=alike)


def compared(expected: Any, given: Any, precision: Precision = STRICT) -> Report:
    """What is found of one item for which these rows are given, alone and twice in a batch."""
    verification = Verification(Scripted([expected]), {"a": [item(0)]})
    return verification.compare(Scripted([given]), precision)


def output(*numbers: Any) -> dict[str, Any]:
    return {"output": np.array(numbers, dtype=np.float32)}


# Numbers.


def test_differences_are_shares_of_the_largest_number() -> None:
    report = compared(output(100.0, -200.0, 1.0, 0.0), output(100.0, -200.0, 1.1, 0.1))
    assert report.largest_difference == pytest.approx(0.1 / 200)
    assert report.mean_difference == pytest.approx(0.1 / 200 / 2)
    assert report.passed


def test_the_largest_number_is_that_of_all_rows() -> None:
    """What is small in one row, is measured as in the others: a difference means no more there."""
    eager = Scripted([output(0.001, 0.0), output(10.0, -1.0)])
    verification = Verification(eager, {"small": [item(0)], "large": [item(1)]})
    report = verification.compare(Scripted([output(0.002, 0.0), output(10.0, -1.0)]), STRICT)
    assert report.largest_difference == pytest.approx(0.001 / 10, rel=1e-3)


def test_outputs_of_several_names_have_scales_of_their_own() -> None:
    report = compared({"start": [1000.0], "end": [1.0]}, {"start": [1000.0], "end": [1.1]})
    assert report.largest_difference == pytest.approx(0.1)


def test_zeros_alone_are_compared_too() -> None:
    assert compared(output(0.0, 0.0), output(0.0, 0.0)).largest_difference == 0.0
    assert compared(output(0.0, 0.0), output(0.0, 0.1)).largest_difference > 1.0


WRONG = [
    pytest.param(output(1.0, 2.0), output(1.0, np.nan), id="a NaN"),
    pytest.param(output(1.0, 2.0), output(1.0, np.inf), id="an infinity"),
    pytest.param(output(1.0, -np.inf), output(1.0, -9.0), id="a number for an infinity"),
    pytest.param(output(1.0, -np.inf), output(1.0, np.inf), id="another infinity"),
    pytest.param(output(1.0, np.nan), output(1.0, 2.0), id="a number for a NaN"),
    pytest.param(output(1.0, 2.0), output(1.0, 2.0, 0.0), id="more numbers"),
    pytest.param(output(1.0, 2.0), output(1.0), id="fewer numbers"),
    pytest.param(output([1.0, 2.0]), output(1.0, 2.0), id="another shape"),
]


@pytest.mark.parametrize(("expected", "given"), WRONG)
def test_what_no_tolerance_allows(expected: Any, given: Any) -> None:
    report = compared(expected, given, PRECISIONS["int8"])
    assert report.largest_difference == math.inf
    assert not report.passed


def test_numbers_that_are_none_may_be_the_same_in_both() -> None:
    assert compared(output(1.0, -np.inf), output(1.0, -np.inf)).passed


# Decisions.


def test_labels_are_compared() -> None:
    report = compared(output(1.0, 4.0), output(4.0, 1.0), Precision("loose", "", Tolerance(0.7, 0.9)))
    assert (report.agreement, report.largest_difference) == (0.0, 0.75)
    assert not report.passed


def test_labels_between_which_the_tolerance_does_not_tell_are_equal() -> None:
    near = compared(output(100.0, 100.05), output(100.05, 100.0))
    assert (near.agreement, near.passed) == (1.0, True)
    apart = compared(output(100.0, 100.15), output(100.15, 100.0))
    assert (apart.agreement, apart.passed) == (0.0, False)


def test_labels_of_each_token_are_compared() -> None:
    expected = output([1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [1.0, 2.0])
    given = output([1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [2.0, 1.0])
    assert compared(expected, given).agreement == 0.75


LABELS = [
    pytest.param([1, 2, 3, 4], [1, 2, 3, 4], 1.0, id="equal"),
    pytest.param([1, 2, 3, 4], [9, 2, 3, 4], 0.75, id="one other"),
    pytest.param([1, 2, 3, 4], [1, 2, 3], 0.0, id="fewer"),
]


@pytest.mark.parametrize(("expected", "given", "agreement"), LABELS)
def test_labels_that_are_told_without_scores(expected: list[int], given: list[int], agreement: float) -> None:
    report = compared({"tokens": expected}, {"tokens": given})
    assert (report.agreement, report.largest_difference) == (agreement, 0.0)


# Generated tokens.


class Writer(Scripted):
    """A backend that writes the tokens of each row, by the scores that they are given with."""

    def run(self, batch: Batch) -> list[Row]:
        rows = super().run(batch)
        steps = max(len(row["scores"]) for row in rows)
        for step in range(steps):
            scores = np.stack([row["scores"][min(step, len(row["scores"]) - 1)] for row in rows])
            batch.run.options["logits_processor"](torch.zeros((len(rows), 1)), torch.from_numpy(scores))
        longest = max(len(row["tokens"]) for row in rows)
        padded = [np.pad(row["tokens"], (0, longest - len(row["tokens"]))) for row in rows]
        lengths = [np.array([len(row["tokens"])]) for row in rows]
        return [{"tokens": row[None], "lengths": length} for row, length in zip(padded, lengths, strict=True)]


def written(tokens: list[int], *scores: list[float]) -> dict[str, Any]:
    return {"tokens": np.array(tokens), "scores": np.array(scores, dtype=np.float32)}


def generated(expected: Sequence[Any], given: Sequence[Any], precision: Precision = STRICT) -> Report:
    run = Generate("", {"max_new_tokens": 4})
    items = {str(number): [replace(item(number), run=run)] for number in range(len(expected))}
    return Verification(Writer(expected), items).compare(Writer(given), precision)


SCORES = ([1.0, 2.0], [4.0, 3.0], [1.0, 2.0])
TOKENS = [
    pytest.param([5, 6, 7, 8], [5, 6, 7, 8], 1.0, id="equal"),
    pytest.param([5, 6, 7, 8], [5, 6, 9, 8], 0.5, id="those behind another one do not count"),
    pytest.param([5, 6, 7, 8], [9, 6, 7, 8], 0.0, id="none"),
    pytest.param([5, 6], [5, 6, 7, 8], 0.5, id="more"),
    pytest.param([5, 6, 7, 8], [5], 0.25, id="fewer"),
]


@pytest.mark.parametrize(("expected", "given", "agreement"), TOKENS)
def test_tokens_count_up_to_the_first_other_one(expected: list[int], given: list[int], agreement: float) -> None:
    report = generated([written(expected, *SCORES)], [written(given, *SCORES)])
    assert report.agreement == agreement
    assert report.passed == (agreement == 1.0)


def test_lengths_and_what_fills_a_batch_are_no_tokens_of_their_own() -> None:
    """Of two sequences in one batch a longer neighbour changes neither tokens nor agreement."""
    report = generated(
        [written([5], *SCORES), written([5, 6, 7, 8], *SCORES)], [written([5], *SCORES), written([5, 6], *SCORES)]
    )
    assert {each.name: each.agreement for each in report.probes} == {"0": 1.0, "1": 0.5, "2 in a batch": 0.75}


def test_scores_are_compared_where_the_tokens_are_equal() -> None:
    report = generated([written([1, 0, 1], *SCORES)], [written([1, 0, 1], [1.0, 2.0], [4.0, 3.2], [1.0, 2.0])])
    assert (report.agreement, report.passed) == (1.0, False)
    assert report.largest_difference == pytest.approx(0.2 / 4)


def test_scores_behind_another_token_mean_nothing() -> None:
    report = generated([written([1, 0, 1], *SCORES)], [written([1, 1, 1], [1.0, 2.0], [99.0, 100.0], [50.0, 60.0])])
    assert report.agreement == pytest.approx(1 / 3)
    assert report.largest_difference == 0.0


def test_the_scores_of_the_first_token_always_mean_something() -> None:
    report = generated([written([1, 0, 1], *SCORES)], [written([0, 0, 1], [3.0, 2.0], [4.0, 3.0])])
    assert report.largest_difference == pytest.approx(2.0 / 4)


@pytest.mark.parametrize("recipe", ["generator", "text2text", "whisper"])
def test_listening_to_scores_changes_no_token(recipe: str) -> None:
    model = artifact(recipe)
    backend = EagerBackend(model)
    report = Verification(backend, probes(model)).compare(backend, STRICT)
    assert (report.largest_difference, report.agreement, report.passed) == (0.0, 1.0, True)
    backend.close()


# What is compared.


def test_items_run_alone_and_together() -> None:
    backend = Scripted([output(float(number)) for number in range(4)])
    calls = {"a": [item(0, 9)], "b": [item(1, 3)], "c": [item(2, 5)], "d": [item(3, 5, alike="others")]}
    report = Verification(backend, calls).compare(backend, STRICT)
    assert backend.batches[: len(report.probes)] == [[0], [1], [2], [3], [1, 2, 0], [2, 0]]
    assert [each.name for each in report.probes] == ["a", "b", "c", "d", "3 in a batch", "the longest two"]


def test_where_none_may_share_a_batch_one_runs_beside_itself() -> None:
    backend = Scripted([output(1.0), output(2.0)])
    calls = {"a": [item(0, 9, alike="a")], "b": [item(1, 3, alike="b")]}
    report = Verification(backend, calls).compare(backend, STRICT)
    assert backend.batches[: len(report.probes)] == [[0], [1], [1, 1]]


def test_what_holds_alone_and_not_in_a_batch_is_seen() -> None:
    class Leaking(Scripted):
        """Adds to each row what else is in its batch."""

        def run(self, batch: Batch) -> list[Row]:
            rows = super().run(batch)
            return [{"output": row["output"] + len(rows) - 1} for row in rows]

    rows = [output(1.0), output(2.0)]
    verification = Verification(Scripted(rows), {"a": [item(0)], "b": [item(1)]})
    report = verification.compare(Leaking(rows), STRICT)
    assert [each.largest_difference for each in report.probes] == [0.0, 0.0, 0.5]
    assert not report.passed


def test_an_output_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        compared({"output": [1.0], "other": [1.0]}, {"output": [1.0]})


def test_nothing_compared_is_not_verified() -> None:
    report = Verification(Scripted([]), {}).compare(Scripted([]), STRICT)
    assert report.probes == ()
    assert not report.passed
