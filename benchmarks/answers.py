"""What a server should say of each text: computed here by transformers' pipeline, before any server starts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TOLERANCE = 1e-3
"""The largest difference in a score that still counts as the same answer: batches add up in another order."""


@dataclass(frozen=True)
class Answer:
    """The best label of a text and its probability."""

    label: str
    score: float

    def agrees(self, other: "Answer") -> bool:
        """Whether both are the same answer within `TOLERANCE`."""
        return self.label == other.label and abs(self.score - other.score) <= TOLERANCE


@dataclass(frozen=True)
class Expected:
    """The right answer of each text."""

    answers: Mapping[str, Answer]

    def problem(self, texts: Sequence[str], given: Sequence[Answer]) -> str | None:
        """What is wrong with the answers to these texts; None where nothing is."""
        if len(given) != len(texts):
            return f"{len(given)} answers to {len(texts)} texts"
        for text, answer in zip(texts, given, strict=True):
            if not self.answers[text].agrees(answer):
                return f"{answer} instead of {self.answers[text]} for {text!r:.60}"
        return None


def expect(classify: Callable[[str], Sequence[Mapping[str, Any]]], texts: Iterable[str]) -> Expected:
    """Classifies the texts one by one with a transformers pipeline."""
    return Expected({text: answer_of(classify(text)[0]) for text in texts})


def answer_of(scored: Mapping[str, Any]) -> Answer:
    """The answer in what transformers and MLflow give: a mapping with `label` and `score`. Raises KeyError without."""
    return Answer(str(scored["label"]), float(scored["score"]))
