"""Latency when idle: one caller of the server beside the same steps in process, tokenise, run and softmax.

Both take turns at the same few texts, so that a disturbance of the machine meets both.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from benchmarks import texts
from benchmarks.answers import Expected
from benchmarks.figures.figure import Figure
from benchmarks.figures.session import limit, savor, started
from benchmarks.load import percentile
from benchmarks.outcome import Outcome, Table
from benchmarks.plan import Plan
from benchmarks.servers.savor import SavorTarget
from benchmarks.subject import subject

_BLOCK, _BLOCKS = 24, 10
_HEADERS = ("ms", "p50", "p99", "calls")


@dataclass(frozen=True)
class Turn:
    """The seconds of each call with the same texts: over the wire, and in process."""

    server_s: Sequence[float]
    in_process_s: Sequence[float]


async def _measure(plan: Plan) -> Outcome:
    asked = subject(plan.said)
    stream = texts.endless(plan.seed)
    turns: list[Turn] = []
    problems: list[str] = []
    async with started(savor(asked, plan), plan) as target, limit(asked, "fp32", plan) as alone:
        plan.said("one caller")
        await target.call(list(islice(stream, _BLOCK)))
        for _ in range(1 if plan.quick else _BLOCKS * plan.repeats):
            sent = list(islice(stream, _BLOCK))
            taken_s = []
            for text in sent:
                seconds, problem = await _timed(target, text, asked.expected)
                taken_s.append(seconds)
                problems += [problem] if problem else []
            turns.append(Turn(taken_s, [seconds for _, seconds in await alone.each(sent)]))
    return outcome(turns, problems)


async def _timed(target: SavorTarget, text: str, expected: Expected) -> tuple[float, str | None]:
    begun_s = time.perf_counter()
    answers = await target.call([text])
    return time.perf_counter() - begun_s, expected.problem([text], answers)


def outcome(turns: Sequence[Turn], problems: Sequence[str]) -> Outcome:
    """What the turns say, all calls taken together."""
    server = sorted(seconds for turn in turns for seconds in turn.server_s)
    alone = sorted(seconds for turn in turns for seconds in turn.in_process_s)
    paired = sorted(
        ours - theirs for turn in turns for ours, theirs in zip(turn.server_s, turn.in_process_s, strict=True)
    )
    rows = [("Savor, one caller", server), ("in process", alone), ("the difference, text by text", paired)]
    return Outcome(
        tables=[Table(_HEADERS, [_row(name, seconds) for name, seconds in rows])],
        bars={"idle_ms": (percentile(server, 50) - percentile(alone, 50)) * 1000},
        problems=problems,
        raw=[asdict(turn) for turn in turns],
    )


def _row(name: str, seconds: Sequence[float]) -> Sequence[str]:
    return name, *(f"{percentile(seconds, percent) * 1000:.1f}" for percent in (50, 99)), str(len(seconds))


FIGURE = Figure("idle", "Latency when idle", _measure)
