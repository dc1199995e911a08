"""The closed-loop load: so many callers, each with one call under way at any time, and every answer checked.

A run ends by itself: after its time, after `_MAX_CALLS`, or soon after answers go wrong.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from benchmarks.answers import Answer, Expected
from benchmarks.target import CallFailed

Call = Callable[[Sequence[str]], Awaitable[Sequence[Answer]]]

_MAX_CALLS, _MAX_PROBLEMS, _OVERTIME_S = 1_000_000, 10, 60.0


@dataclass(frozen=True)
class Scenario:
    """How many callers there are, and how many texts each sends in one call."""

    callers: int
    texts_per_call: int

    def __str__(self) -> str:
        callers = "1 caller" if self.callers == 1 else f"{self.callers} callers"
        return callers if self.texts_per_call == 1 else f"{callers} x {self.texts_per_call} texts"


@dataclass(frozen=True)
class Pace:
    """Seconds of load before the measurement, and seconds of the measurement."""

    warm_up_s: float
    duration_s: float


@dataclass(frozen=True)
class Measurement:
    """What came back while it was measured. Latencies are those of calls, sorted; problems are of the warm-up too."""

    texts_per_s: float
    latencies_s: tuple[float, ...]
    problems: tuple[str, ...]

    def percentile_s(self, percent: float) -> float:
        """The latency that so many percent of the calls did not exceed; not a number where there were none."""
        if not self.latencies_s:
            return math.nan
        return self.latencies_s[max(math.ceil(len(self.latencies_s) * percent / 100), 1) - 1]


async def measure(call: Call, scenario: Scenario, texts: Iterator[str], expected: Expected, pace: Pace) -> Measurement:
    """Puts a scenario's load on a target. The calls that end in the measured time count, wherever they began.

    Where none ends in that time it goes on until one does.
    """
    run = _Run(call, scenario, texts, expected, pace)
    await asyncio.gather(*(run.caller() for _ in range(scenario.callers)))
    return run.measurement()


class _Run:
    def __init__(self, call: Call, scenario: Scenario, texts: Iterator[str], expected: Expected, pace: Pace) -> None:
        self._call, self._scenario, self._texts, self._expected = call, scenario, texts, expected
        self._measured_s = pace.duration_s
        self._begins_s = time.perf_counter() + pace.warm_up_s
        self._ends_s = self._begins_s + pace.duration_s
        self._calls = 0
        self._latencies_s: list[float] = []
        self._problems: list[str] = []

    async def caller(self) -> None:
        while self._goes_on():
            self._calls += 1
            await self._call_once(list(islice(self._texts, self._scenario.texts_per_call)))

    def _goes_on(self) -> bool:
        bounded = self._calls < _MAX_CALLS and len(self._problems) < _MAX_PROBLEMS
        return bounded and time.perf_counter() < self._ends_s + (0 if self._latencies_s else _OVERTIME_S)

    async def _call_once(self, texts: Sequence[str]) -> None:
        started_s = time.perf_counter()
        try:
            answers = await self._call(texts)
        except CallFailed as failure:
            self._problems.append(str(failure))
            return
        ended_s = time.perf_counter()
        if problem := self._expected.problem(texts, answers):
            self._problems.append(problem)
        elif self._begins_s <= ended_s and (ended_s <= self._ends_s or not self._latencies_s):
            self._latencies_s.append(ended_s - started_s)
            self._measured_s = max(self._measured_s, ended_s - self._begins_s)

    def measurement(self) -> Measurement:
        texts = len(self._latencies_s) * self._scenario.texts_per_call
        return Measurement(texts / self._measured_s, tuple(sorted(self._latencies_s)), tuple(self._problems))
