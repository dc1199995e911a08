"""The closed-loop load: so many callers, each with one call under way at any time, and every answer checked.

A run ends by itself: after its time, after `_MAX_CALLS`, or soon after answers go wrong.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Generic, TypeVar

from benchmarks.plan import Pace
from benchmarks.servers.target import CallFailed

_MAX_CALLS, _MAX_PROBLEMS, _OVERTIME_S = 1_000_000, 10, 60.0

Input = TypeVar("Input")
Output = TypeVar("Output")


@dataclass(frozen=True)
class Scenario:
    """How many callers there are, and how many texts each sends in one call."""

    callers: int
    texts_per_call: int

    def __str__(self) -> str:
        callers = "1 caller" if self.callers == 1 else f"{self.callers} callers"
        return callers if self.texts_per_call == 1 else f"{callers} x {self.texts_per_call} texts"


@dataclass(frozen=True)
class Work(Generic[Input, Output]):
    """What is called with what. `problem` says what is wrong with the answers to some inputs, None for nothing."""

    call: Callable[[Sequence[Input]], Awaitable[Sequence[Output]]]
    inputs: Iterator[Input]
    problem: Callable[[Sequence[Input], Sequence[Output]], str | None]


@dataclass(frozen=True)
class Measurement:
    """What came back while it was measured. Latencies are those of calls, sorted; problems are of the warm-up too.

    A text is whatever a call has several of: a recording counts as one.
    """

    texts_per_s: float
    latencies_s: tuple[float, ...]
    problems: tuple[str, ...]

    def percentile_s(self, percent: float) -> float:
        """See `percentile`."""
        return percentile(self.latencies_s, percent)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that so many percent of the sorted ones do not exceed; not a number where there are none."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1] if ordered else math.nan


def middle(measurements: Sequence[Measurement], percent: float) -> float:
    """The median over measurements of a percentile of each, in seconds."""
    return median(each.percentile_s(percent) for each in measurements)


async def measure(work: Work[Input, Output], scenario: Scenario, pace: Pace) -> Measurement:
    """Puts a scenario's load on a server. The calls that end in the measured time count, wherever they began.

    Where none ends in that time it goes on until one does.
    """
    run = _Run(work, scenario, pace)
    await asyncio.gather(*(run.caller() for _ in range(scenario.callers)))
    return run.measurement()


class _Run(Generic[Input, Output]):
    def __init__(self, work: Work[Input, Output], scenario: Scenario, pace: Pace) -> None:
        self._work, self._scenario = work, scenario
        self._measured_s = pace.duration_s
        self._begins_s = time.perf_counter() + pace.warm_up_s
        self._ends_s = self._begins_s + pace.duration_s
        self._calls = 0
        self._latencies_s: list[float] = []
        self._problems: list[str] = []

    async def caller(self) -> None:
        while self._goes_on():
            self._calls += 1
            await self._call_once(list(islice(self._work.inputs, self._scenario.texts_per_call)))

    def _goes_on(self) -> bool:
        bounded = self._calls < _MAX_CALLS and len(self._problems) < _MAX_PROBLEMS
        return bounded and time.perf_counter() < self._ends_s + (0 if self._latencies_s else _OVERTIME_S)

    async def _call_once(self, inputs: Sequence[Input]) -> None:
        started_s = time.perf_counter()
        try:
            answers = await self._work.call(inputs)
        except CallFailed as failure:
            self._problems.append(str(failure))
            return
        ended_s = time.perf_counter()
        if problem := self._work.problem(inputs, answers):
            self._problems.append(problem)
        elif self._begins_s <= ended_s and (ended_s <= self._ends_s or not self._latencies_s):
            self._latencies_s.append(ended_s - started_s)
            self._measured_s = max(self._measured_s, ended_s - self._begins_s)

    def measurement(self) -> Measurement:
        texts = len(self._latencies_s) * self._scenario.texts_per_call
        latencies_s = tuple(round(latency_s, 6) for latency_s in sorted(self._latencies_s))
        return Measurement(texts / self._measured_s, latencies_s, tuple(self._problems))
