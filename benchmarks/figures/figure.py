"""What a figure is: a name, a sentence, and how it is measured."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from benchmarks.outcome import Outcome
from benchmarks.plan import Plan


class NotHere(Exception):
    """A figure that this machine can't show. The text says what it needs."""


@dataclass(frozen=True)
class Figure:
    """`name` is the command's, `title` the page's; `measure` raises NotHere, StartFailed or WeightsUnavailable."""

    name: str
    title: str
    measure: Callable[[Plan], Coroutine[Any, Any, Outcome]]
