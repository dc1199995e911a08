"""Overload: calls with deadlines at several times the capacity, which is measured just before in the same run."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks import texts
from benchmarks.figures.figure import Figure
from benchmarks.figures.session import savor, started, work
from benchmarks.load import Measurement, Scenario, measure, percentile
from benchmarks.open_loop import Arrivals, Offer, offer
from benchmarks.outcome import Outcome, Table
from benchmarks.plan import Plan
from benchmarks.subject import subject

FACTOR, DEADLINE_S = 4.0, 2.0
_CAPACITY = Scenario(32, 1)
_HEADERS = (
    "offered",
    "capacity, texts/s",
    "offered, texts/s",
    "goodput, texts/s",
    "goodput ÷ capacity",
    "of repeats",
    "p99 of the answered, ms",
)


@dataclass(frozen=True)
class Round:
    """The capacity, and what became of the overload after it."""

    capacity: Measurement
    arrivals: Arrivals

    @property
    def ratio(self) -> float:
        """Answers in time over the capacity."""
        return self.arrivals.goodput_per_s / self.capacity.texts_per_s


async def _measure(plan: Plan) -> Outcome:
    asked = subject(plan.said)
    rounds: list[Round] = []
    async with started(savor(asked, plan), plan) as target:
        for repeat in range(plan.repeats):
            seed = plan.seed + repeat
            plan.said(f"capacity, repeat {repeat + 1} of {plan.repeats}")
            capacity = await measure(work(target, asked.expected, seed), _CAPACITY, plan.pace)
            plan.said(f"{FACTOR:g} x capacity, repeat {repeat + 1} of {plan.repeats}")
            # The first calls find no queue: a few deadlines long, so that they do not count for much.
            duration_s = plan.pace.duration_s if plan.quick else plan.pace.duration_s + 2 * DEADLINE_S
            made = Offer(FACTOR * capacity.texts_per_s, duration_s, DEADLINE_S, seed)
            arrivals = await offer(target.call, texts.endless(seed), asked.expected, made)
            rounds.append(Round(capacity, arrivals))
    return outcome(rounds)


def outcome(rounds: Sequence[Round]) -> Outcome:
    """What the rounds say: medians."""
    ratios = [each.ratio for each in rounds]
    row = (
        f"{FACTOR:g} x capacity, deadline {DEADLINE_S:g} s",
        f"{median(each.capacity.texts_per_s for each in rounds):.0f}",
        f"{median(each.arrivals.offered_per_s for each in rounds):.0f}",
        f"{median(each.arrivals.goodput_per_s for each in rounds):.0f}",
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        f"{median(percentile(each.arrivals.latencies_s, 99) for each in rounds) * 1000:.0f}",
    )
    failures = sum((Counter(each.arrivals.failures) for each in rounds), Counter[str]())
    listed = ", ".join(f"{count} {code}" for code, count in failures.most_common()) or "none"
    return Outcome(
        tables=[Table(_HEADERS, [row])],
        bars={"overload": median(ratios)},
        notes=[f"Calls without an answer in time, by status: {listed}."],
        problems=[what for each in rounds for what in (*each.capacity.problems, *each.arrivals.problems)],
        raw=[asdict(each) for each in rounds],
    )


FIGURE = Figure("overload", "Overload", _measure)
