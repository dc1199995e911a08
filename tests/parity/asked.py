"""What doors are asked, where that is more than a list of inputs, and how MLflow is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Params = Mapping[str, Any]
Predict = Callable[[Any], Any]
"""`predict` of a model of MLflow's, with the request's params."""


@dataclass(frozen=True)
class ZeroShot:
    """Texts to be classified by labels; without a template the pipeline's own holds."""

    texts: Sequence[str]
    labels: Sequence[str]
    template: str | None = "This is {}."


@dataclass(frozen=True)
class TableQuestions:
    """Questions about a table."""

    queries: Sequence[str]
    table: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Payload:
    """What a model of an llm/v1 task is asked, one entry for each row of data, with the first row's options."""

    entries: Sequence[Any]
    options: Params
