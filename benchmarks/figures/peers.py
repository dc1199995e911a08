"""Savor against the servers that users have today, with the same saved model, on the same core with one thread.

One server is up at a time: some keep the core busy when nobody calls. Every repeat starts all of them anew, in an order
that changes, and a peer that has batching is measured with and without it: in each scenario the better one counts.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.answers import Expected
from benchmarks.figures.figure import Figure
from benchmarks.figures.session import expected_at, limit, savor, started, work
from benchmarks.load import Measurement, Scenario, measure, middle
from benchmarks.outcome import Chart, Outcome, Table
from benchmarks.peers import network
from benchmarks.peers.line_up import PEERS
from benchmarks.plan import Plan
from benchmarks.process import StartFailed
from benchmarks.servers.target import Target
from benchmarks.subject import Subject, subject

SCENARIOS = (Scenario(1, 1), Scenario(8, 1), Scenario(32, 1), Scenario(4, 16))
BUSY, LARGE = Scenario(32, 1), Scenario(4, 16)
SAVOR, SAVOR_INT8 = "Savor", "Savor at int8"


@dataclass(frozen=True)
class Entrant:
    """A server that is measured. `product` is whose it is: one peer may come in two configurations."""

    product: str
    target: Target
    expected: Expected


@dataclass(frozen=True)
class Sample:
    """One measurement."""

    product: str
    server: str
    scenario: Scenario
    measurement: Measurement


async def _measure(plan: Plan) -> Outcome:
    asked = subject(plan.said)
    alone = network.alone()
    reasons = {peer.name: reason for peer in PEERS if (reason := peer.reason(alone))}
    entrants = [*await _own(asked, plan), *_peers(asked, plan, set(reasons))]
    samples: list[Sample] = []
    for repeat in range(plan.repeats):
        for entrant in entrants[:: -1 if repeat % 2 else 1]:
            if entrant.product in reasons:
                continue
            try:
                samples += [sample async for sample in _samples(entrant, repeat, plan)]
            except StartFailed as failure:
                reasons[entrant.product] = str(failure).strip().splitlines()[-1][:200]
    return outcome(samples, reasons)


async def _own(asked: Subject, plan: Plan) -> Sequence[Entrant]:
    int8 = savor(asked, plan, precision="int8")
    if plan.quick:
        return [Entrant(SAVOR, savor(asked, plan), asked.expected)]
    # Compiled at its first start, and asked in process what is right at int8.
    async with started(int8, plan), limit(asked, "int8", plan) as process:
        expected = await expected_at("int8", asked, process)
    return [Entrant(SAVOR, savor(asked, plan), asked.expected), Entrant(SAVOR_INT8, int8, expected)]


def _peers(asked: Subject, plan: Plan, left_out: set[str]) -> Iterator[Entrant]:
    for peer in PEERS:
        if peer.name not in left_out:
            plan.said(f"preparing {peer.name}")
            yield from (
                Entrant(peer.name, target, asked.expected) for target in peer.targets(asked.folder, plan.scratch)
            )


async def _samples(entrant: Entrant, repeat: int, plan: Plan) -> AsyncIterator[Sample]:
    async with started(entrant.target, plan) as target:
        for scenario in SCENARIOS:
            plan.said(f"{target.name}: {scenario}, repeat {repeat + 1} of {plan.repeats}")
            # Every server gets the same texts, from the first on.
            measurement = await measure(work(target, entrant.expected, plan.seed + repeat), scenario, plan.pace)
            yield Sample(entrant.product, target.name, scenario, measurement)


class _Speeds:
    """Texts per second, medians over the repeats."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._of: dict[tuple[str, Scenario], list[Measurement]] = {}
        self.servers: dict[str, str] = {}
        for sample in samples:
            self._of.setdefault((sample.server, sample.scenario), []).append(sample.measurement)
            self.servers[sample.server] = sample.product

    def speed(self, server: str, scenario: Scenario) -> float:
        return median(each.texts_per_s for each in self._of[server, scenario])

    def best(self, product: str, scenario: Scenario) -> float | None:
        """The better configuration's."""
        speeds = [self.speed(server, scenario) for server, whose in self.servers.items() if whose == product]
        return max(speeds, default=None)

    def latencies(self, server: str, scenario: Scenario) -> str:
        found = self._of[server, scenario]
        return f"{middle(found, 50) * 1000:.0f} / {middle(found, 99) * 1000:.0f}"


def outcome(samples: Sequence[Sample], reasons: dict[str, str]) -> Outcome:
    """What the samples say, with the reasons of the peers that were left out."""
    speeds = _Speeds(samples)
    return Outcome(
        tables=[Table(_HEADERS, [_row(speeds, server) for server in speeds.servers])],
        charts=[_chart(speeds)],
        bars=_bars(speeds),
        notes=[f"{product} was left out: {reason}" for product, reason in reasons.items()],
        problems=[f"{each.server}, {each.scenario}: {what}" for each in samples for what in each.measurement.problems],
        raw=[asdict(sample) for sample in samples],
    )


_HEADERS = (
    "texts/s",
    *map(str, SCENARIOS),
    f"Savor's ratio, {BUSY}",
    f"Savor's ratio, {LARGE}",
    f"p50 / p99 in ms, {BUSY}",
)


def _row(speeds: _Speeds, server: str) -> Sequence[str]:
    ours = [speeds.best(SAVOR, scenario) for scenario in (BUSY, LARGE)]
    ratios = [
        f"{our / speeds.speed(server, scenario):.2f}" if our and speeds.servers[server] != SAVOR else ""
        for our, scenario in zip(ours, (BUSY, LARGE), strict=True)
    ]
    counts = [_marked(speeds, server, scenario, f"{speeds.speed(server, scenario):.0f}") for scenario in SCENARIOS]
    return (server, *counts, *ratios, speeds.latencies(server, BUSY))


def _marked(speeds: _Speeds, server: str, scenario: Scenario, text: str) -> str:
    """In bold where it is its product's better configuration, which counts."""
    return f"**{text}**" if speeds.speed(server, scenario) == speeds.best(speeds.servers[server], scenario) else text


def _chart(speeds: _Speeds) -> Chart:
    products = dict.fromkeys(speeds.servers.values())
    shown = (BUSY, LARGE)
    groups = [(product, [speeds.best(product, scenario) for scenario in shown]) for product in products]
    return Chart("Texts per second, each server's better configuration", [str(scenario) for scenario in shown], groups)


def _bars(speeds: _Speeds) -> dict[str, float]:
    mlflow = speeds.best(PEERS[0].name, BUSY)
    rivals = [peer.name for peer in PEERS if peer.grpc]
    ratios = {
        "mlflow": (speeds.best(SAVOR, BUSY), mlflow),
        "mlflow_int8": (speeds.best(SAVOR_INT8, BUSY), mlflow),
        "grpc": (speeds.best(SAVOR, BUSY), _fastest(speeds, rivals, BUSY)),
        "grpc_large": (speeds.best(SAVOR, LARGE), _fastest(speeds, rivals, LARGE)),
    }
    return {name: ours / theirs for name, (ours, theirs) in ratios.items() if ours and theirs}


def _fastest(speeds: _Speeds, products: Sequence[str], scenario: Scenario) -> float | None:
    return max((speed for product in products if (speed := speeds.best(product, scenario))), default=None)


FIGURE = Figure("peers", "Against the peers", _measure)
