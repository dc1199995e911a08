"""Abandoned work: many calls fired and dropped, then one timed, beside the same call on an idle server."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from statistics import median

from benchmarks import texts
from benchmarks.figures.figure import Figure
from benchmarks.figures.session import savor, started
from benchmarks.outcome import Outcome, Table
from benchmarks.plan import Plan
from benchmarks.servers.savor import SavorTarget
from benchmarks.subject import subject

CALLS, DROPPED_AFTER_S = 200, 0.3
_ROUNDS, _IDLE_CALLS, _PAUSE_S = 5, 20, 1.0
_TEXT = (
    "A text that is about as long as the others are on average, which is to say some two dozen of the model's tokens."
)


@dataclass(frozen=True)
class Round:
    """One round: the call when idle (a median), and the first one after the others were dropped."""

    idle_s: float
    fresh_s: float

    @property
    def ratio(self) -> float:
        """How much longer the fresh one took."""
        return self.fresh_s / self.idle_s


async def _measure(plan: Plan) -> Outcome:
    asked = subject(plan.said)
    rounds: list[Round] = []
    async with started(savor(asked, plan), plan) as target:
        for number in range(1 if plan.quick else _ROUNDS * plan.repeats):
            plan.said(f"{CALLS} calls dropped, round {number + 1}")
            idle_s = median([await _timed(target) for _ in range(_IDLE_CALLS)])
            await _abandon(target, plan.seed + number)
            rounds.append(Round(idle_s, await _timed(target)))
            await asyncio.sleep(_PAUSE_S)
    return outcome(rounds)


async def _timed(target: SavorTarget) -> float:
    begun_s = time.perf_counter()
    await target.call([_TEXT])
    return time.perf_counter() - begun_s


async def _abandon(target: SavorTarget, seed: int) -> None:
    """Fires calls, and drops all that were not answered in time."""
    calls = [asyncio.create_task(_call(target, text)) for text in islice(texts.endless(seed), CALLS)]
    await asyncio.sleep(DROPPED_AFTER_S)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def _call(target: SavorTarget, text: str) -> None:
    await target.call([text])


def outcome(rounds: Sequence[Round]) -> Outcome:
    """What the rounds say."""
    ratios = [each.ratio for each in rounds]
    row = (
        f"{CALLS} calls dropped after {DROPPED_AFTER_S:g} s",
        f"{median(each.idle_s for each in rounds) * 1000:.1f}",
        f"{median(each.fresh_s for each in rounds) * 1000:.1f}",
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
    )
    return Outcome(
        tables=[Table(("", "idle, ms", "the next call, ms", "ratio", "of rounds"), [row])],
        bars={"abandoned": median(ratios)},
        raw=[asdict(each) for each in rounds],
    )


FIGURE = Figure("abandoned", "Abandoned work", _measure)
