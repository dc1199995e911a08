import asyncio
from collections.abc import Sequence
from itertools import cycle

import pytest

from benchmarks.answers import Answer, Expected
from benchmarks.open_loop import Arrivals, Offer, TimedCall, offer
from benchmarks.servers.target import CallFailed

RIGHT = Answer("good", 0.5)
EXPECTED = Expected({"a": RIGHT})
SHORT = Offer(rate_per_s=400.0, duration_s=0.2, deadline_s=1.0, seed=0)


async def arrive(call: TimedCall) -> Arrivals:
    return await offer(call, cycle(["a"]), EXPECTED, SHORT)


async def test_calls_come_at_their_rate_whatever_becomes_of_those_before() -> None:
    under_way = most = 0

    async def call(texts: Sequence[str], timeout_s: float) -> Sequence[Answer]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.1)
        under_way -= 1
        return [RIGHT]

    found = await arrive(call)
    assert most > 10
    assert found.offered_per_s == pytest.approx(400, rel=0.5)


async def test_goodput_counts_answers_before_the_end() -> None:
    async def call(texts: Sequence[str], timeout_s: float) -> Sequence[Answer]:
        return [RIGHT]

    found = await arrive(call)
    assert found.goodput_per_s == pytest.approx(len(found.latencies_s) / 0.2)
    assert found.goodput_per_s > 0


async def test_failures_are_counted_by_status_and_deadlines_are_passed_on() -> None:
    async def call(texts: Sequence[str], timeout_s: float) -> Sequence[Answer]:
        raise CallFailed("full", "RESOURCE_EXHAUSTED" if timeout_s == 1.0 else "no deadline")

    found = await arrive(call)
    assert list(found.failures) == ["RESOURCE_EXHAUSTED"]
    assert found.latencies_s == ()


async def test_a_wrong_answer_is_a_problem_and_no_goodput() -> None:
    async def call(texts: Sequence[str], timeout_s: float) -> Sequence[Answer]:
        return [Answer("good", 0.9)]

    found = await arrive(call)
    assert found.problems
    assert found.goodput_per_s == 0
