import asyncio
import math
from collections.abc import Sequence
from itertools import cycle

import pytest

from benchmarks.answers import Answer, Expected
from benchmarks.load import Measurement, Scenario, Work, measure
from benchmarks.plan import Pace
from benchmarks.servers.target import CallFailed

RIGHT = Answer("good", 0.5)
EXPECTED = Expected({"a": RIGHT, "b": RIGHT})
SHORT = Pace(warm_up_s=0.0, duration_s=0.05)


class Server:
    """Answers after a moment; keeps what it was asked and how many calls were under way at once."""

    def __init__(self, *, answer: Answer = RIGHT, fails: bool = False, takes_s: float = 0.001) -> None:
        self.calls: list[Sequence[str]] = []
        self.most = self._now = 0
        self._answer, self._fails, self._takes_s = answer, fails, takes_s

    async def call(self, texts: Sequence[str]) -> Sequence[Answer]:
        self.calls.append(texts)
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(self._takes_s)
        self._now -= 1
        if self._fails:
            raise CallFailed("it was busy")
        return [self._answer] * len(texts)


async def put(server: Server, scenario: Scenario, pace: Pace = SHORT) -> Measurement:
    return await measure(Work(server.call, cycle(["a", "b"]), EXPECTED.problem), scenario, pace)


async def test_each_caller_has_one_call_under_way() -> None:
    server = Server()
    await put(server, Scenario(3, 1))
    assert server.most == 3


async def test_calls_hold_the_next_texts_of_the_stream() -> None:
    server = Server()
    await put(server, Scenario(1, 3))
    assert server.calls[:2] == [["a", "b", "a"], ["b", "a", "b"]]


async def test_throughput_counts_texts_and_latencies_count_calls() -> None:
    measurement = await put(Server(), Scenario(2, 4))
    assert measurement.problems == ()
    assert measurement.texts_per_s == pytest.approx(len(measurement.latencies_s) * 4 / 0.05)
    assert min(measurement.latencies_s) >= 0.001
    assert list(measurement.latencies_s) == sorted(measurement.latencies_s)


async def test_the_warm_up_does_not_count() -> None:
    server = Server()
    measurement = await put(server, Scenario(1, 1), Pace(warm_up_s=0.05, duration_s=0.05))
    assert len(measurement.latencies_s) < len(server.calls)


async def test_a_run_in_which_no_call_ends_goes_on_until_one_does() -> None:
    measurement = await put(Server(takes_s=0.08), Scenario(1, 1), Pace(warm_up_s=0.0, duration_s=0.01))
    assert len(measurement.latencies_s) == 1
    assert measurement.texts_per_s == pytest.approx(1 / measurement.latencies_s[0], rel=0.1)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        pytest.param(Server(answer=Answer("bad", 0.9)), "bad", id="a wrong answer"),
        pytest.param(Server(fails=True), "it was busy", id="a failed call"),
    ],
)
async def test_problems_are_kept_and_end_the_run(server: Server, said: str) -> None:
    measurement = await put(server, Scenario(2, 1), Pace(warm_up_s=0.0, duration_s=60.0))
    assert measurement.latencies_s == ()
    assert 10 <= len(measurement.problems) <= 11
    assert all(said in problem for problem in measurement.problems)


@pytest.mark.parametrize(
    ("percent", "latency_s"),
    [
        pytest.param(50, 2.0, id="half of the calls"),
        pytest.param(75, 3.0, id="three of four"),
        pytest.param(99, 4.0, id="more than all but one"),
        pytest.param(100, 4.0, id="the longest"),
    ],
)
def test_a_percentile_is_a_latency_that_was_seen(percent: float, latency_s: float) -> None:
    assert Measurement(1.0, (1.0, 2.0, 3.0, 4.0), ()).percentile_s(percent) == latency_s


def test_without_calls_there_is_no_percentile() -> None:
    assert math.isnan(Measurement(0.0, (), ("refused",)).percentile_s(50))
