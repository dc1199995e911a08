"""Savor against the limit: the same compiled model without a server, on the same core with as many threads.

The limit is measured anew before each measurement of the server, so that a disturbance of the machine meets both.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.figures.figure import Figure
from benchmarks.figures.session import expected_at, limit, savor, started, work
from benchmarks.limit_process import Limit
from benchmarks.load import Measurement, Scenario, measure, middle
from benchmarks.outcome import Chart, Outcome, Table
from benchmarks.plan import Plan
from benchmarks.servers.target import Target
from benchmarks.subject import Subject, subject

CALLERS = (1, 8, 32, 128)
_BUSY = 32
SIZE = 32
"""The batches of the limit, as the bar has it; a note says which size would have been best."""
_PRECISIONS, _SIZES = ("fp32", "int8"), (1, 8, 16, 32, 64)
_TEXTS, _FEW_TEXTS = 480, 64
_HEADERS = ("precision, callers", "Savor, texts/s", "limit, texts/s", "Savor ÷ limit", "of repeats", "p50 / p99, ms")


@dataclass(frozen=True)
class Sample:
    """The server under one scenario, and the limit just before."""

    precision: str
    callers: int
    limit_per_s: float
    server: Measurement

    @property
    def share(self) -> float:
        """What part of the limit the server reached."""
        return self.server.texts_per_s / self.limit_per_s


Sizes = Mapping[int, float]
"""Texts per second of the limit by the size of its batches."""


async def _measure(plan: Plan) -> Outcome:
    asked = subject(plan.said)
    samples: list[Sample] = []
    sizes: dict[str, Sizes] = {}
    for precision in _PRECISIONS[: 1 if plan.quick else None]:
        async with (
            started(savor(asked, plan, precision=precision), plan) as target,
            limit(asked, precision, plan) as alone,
        ):
            sizes[precision] = {size: await _in_process(alone, size, plan) for size in _SIZES}
            samples += [sample async for sample in _samples(precision, asked, alone, target, plan)]
    return outcome(samples, sizes)


async def _samples(precision: str, asked: Subject, alone: Limit, target: Target, plan: Plan) -> AsyncIterator[Sample]:
    expected = await expected_at(precision, asked, alone)
    for repeat in range(plan.repeats):
        for callers in CALLERS:
            plan.said(f"{precision}: {callers} callers, repeat {repeat + 1} of {plan.repeats}")
            limit_per_s = await _in_process(alone, SIZE, plan)
            server = await measure(work(target, expected, plan.seed + repeat), Scenario(callers, 1), plan.pace)
            yield Sample(precision, callers, limit_per_s, server)


async def _in_process(alone: Limit, size: int, plan: Plan) -> float:
    return await alone.batches(size, _FEW_TEXTS if plan.quick else _TEXTS, plan.pace.duration_s / 2)


def outcome(samples: Sequence[Sample], sizes: Mapping[str, Sizes]) -> Outcome:
    """What the samples say: medians over the repeats."""
    groups: dict[tuple[str, int], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.precision, sample.callers), []).append(sample)
    shares = {group: median(each.share for each in found) for group, found in groups.items()}
    precisions = tuple(dict.fromkeys(precision for precision, _ in shares))
    chart = Chart(
        "Savor's throughput as a part of the limit, by callers",
        precisions,
        [(str(Scenario(callers, 1)), [shares[precision, callers] for precision in precisions]) for callers in CALLERS],
    )
    return Outcome(
        tables=[Table(_HEADERS, [_row(group, found) for group, found in groups.items()])],
        charts=[chart],
        bars={"limit": shares["fp32", _BUSY]},
        notes=[_note(precision, found, shares[precision, _BUSY]) for precision, found in sizes.items()],
        problems=[
            f"{each.precision}, {each.callers} callers: {what}" for each in samples for what in each.server.problems
        ],
        raw={"samples": [asdict(sample) for sample in samples], "limit_by_batch_size": sizes},
    )


def _row(group: tuple[str, int], found: Sequence[Sample]) -> Sequence[str]:
    shares = [each.share for each in found]
    servers = [each.server for each in found]
    return (
        f"{group[0]}, {Scenario(group[1], 1)}",
        f"{median(each.texts_per_s for each in servers):.0f}",
        f"{median(each.limit_per_s for each in found):.0f}",
        f"{median(shares):.2f}",
        f"{min(shares):.2f} to {max(shares):.2f}",
        f"{middle(servers, 50) * 1000:.0f} / {middle(servers, 99) * 1000:.0f}",
    )


def _note(precision: str, found: Sizes, share: float) -> str:
    """How the limit depends on its batches, and what the busy server reaches of the best."""
    best = max(found, key=lambda size: found[size])
    listed = ", ".join(f"{size}: {per_s:.0f}" for size, per_s in found.items())
    of_best = share * found[SIZE] / found[best]
    return (
        f"The limit at {precision} by the size of its sorted batches, in texts/s: {listed}. "
        f"Of the best, {best}, Savor with {_BUSY} callers reaches {of_best:.2f}."
    )


FIGURE = Figure("limit", "Against the limit", _measure)
