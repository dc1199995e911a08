"""The open-loop load: calls come at a rate of their own, whatever becomes of those before, each with a deadline."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.answers import Answer, Expected
from benchmarks.servers.target import CallFailed

TimedCall = Callable[[Sequence[str], float], Awaitable[Sequence[Answer]]]


@dataclass(frozen=True)
class Offer:
    """Calls of one text that are made, on average so many a second, each to be answered before its deadline."""

    rate_per_s: float
    duration_s: float
    deadline_s: float
    seed: int


@dataclass(frozen=True)
class Arrivals:
    """What became of an offer. `offered_per_s` is the rate that was really kept; `failures` are counts by gRPC status.

    Latencies are those of the calls that were answered in time, sorted.
    """

    offered_per_s: float
    goodput_per_s: float
    latencies_s: tuple[float, ...]
    failures: Mapping[str, int]
    problems: tuple[str, ...]


async def offer(call: TimedCall, texts: Iterator[str], expected: Expected, made: Offer) -> Arrivals:
    """Makes the calls at random moments (a Poisson process), and waits for the last."""
    run = _Run(call, expected, made)
    begun_s = time.perf_counter()
    count = await run.make(texts)
    elapsed_s = time.perf_counter() - begun_s
    await run.end()
    return run.arrivals(count / elapsed_s)


class _Run:
    def __init__(self, call: TimedCall, expected: Expected, made: Offer) -> None:
        self._call, self._expected, self._made = call, expected, made
        self._tasks: set[asyncio.Task[None]] = set()
        self._latencies_s: list[float] = []
        self._failures: Counter[str] = Counter()
        self._problems: list[str] = []
        self._begun_s = time.perf_counter()

    async def make(self, texts: Iterator[str]) -> int:
        """Starts the calls; one that is late is made at once. Gives their number."""
        moments = random.Random(self._made.seed)
        at_s, count = 0.0, 0
        while (at_s := at_s + moments.expovariate(self._made.rate_per_s)) < self._made.duration_s:
            await asyncio.sleep(max(0.0, self._begun_s + at_s - time.perf_counter()))
            task = asyncio.create_task(self._once(next(texts)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            count += 1
        return count

    async def end(self) -> None:
        """Waits for the calls that are under way."""
        await asyncio.gather(*self._tasks)

    async def _once(self, text: str) -> None:
        started_s = time.perf_counter()
        try:
            answers = await self._call([text], self._made.deadline_s)
        except CallFailed as failure:
            self._failures[failure.code] += 1
            return
        ended_s = time.perf_counter()
        if problem := self._expected.problem([text], answers):
            self._problems.append(problem)
        elif ended_s - self._begun_s <= self._made.duration_s:
            self._latencies_s.append(ended_s - started_s)

    def arrivals(self, offered_per_s: float) -> Arrivals:
        goodput_per_s = len(self._latencies_s) / self._made.duration_s
        latencies_s = tuple(sorted(self._latencies_s))
        return Arrivals(offered_per_s, goodput_per_s, latencies_s, dict(self._failures), tuple(self._problems))
