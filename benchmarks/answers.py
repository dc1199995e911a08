"""What a server should say of each text: computed here by transformers' pipeline, before any server starts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

TOLERANCE = 1e-3
"""The largest difference in a score that still counts as the same answer: batches add up in another order."""


@dataclass(frozen=True)
class Answer:
    """The best label of a text and its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class Expected:
    """The right answer of each text, and the largest difference in a probability that still counts as the same."""

    answers: Mapping[str, Answer]
    tolerance: float = TOLERANCE

    def within(self, tolerance: float) -> "Expected":
        """The same answers with another tolerance."""
        return replace(self, tolerance=tolerance)

    def problem(self, texts: Sequence[str], given: Sequence[Answer]) -> str | None:
        """What is wrong with the answers to these texts; None where nothing is."""
        if len(given) != len(texts):
            return f"{len(given)} answers to {len(texts)} texts"
        for text, answer in zip(texts, given, strict=True):
            if not self._agree(self.answers[text], answer):
                return f"{answer} instead of {self.answers[text]} for {text!r:.60}"
        return None

    def _agree(self, right: Answer, given: Answer) -> bool:
        # Of two labels one has the rest of the probability: near a tie another label may win, and be no less right.
        score = given.score if given.label == right.label else 1 - given.score
        return abs(score - right.score) <= self.tolerance


def expect(classify: Callable[[str], Sequence[Mapping[str, Any]]], texts: Iterable[str]) -> Expected:
    """Classifies the texts one by one with a transformers pipeline."""
    return Expected({text: answer_of(classify(text)[0]) for text in texts})


def answer_of(scored: Mapping[str, Any]) -> Answer:
    """The answer in what transformers and MLflow give: a mapping with `label` and `score`. Raises KeyError without."""
    return Answer(str(scored["label"]), float(scored["score"]))
