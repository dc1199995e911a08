"""The same scenarios on two servers in turn, and what becomes of the repeats: medians and ratios.

The servers alternate within every repeat, so that a disturbance of the machine meets both alike.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import texts
from benchmarks.answers import Expected
from benchmarks.load import Measurement, Pace, Scenario, measure
from benchmarks.target import Target

SCENARIOS = (Scenario(1, 1), Scenario(8, 1), Scenario(32, 1), Scenario(4, 16))


@dataclass(frozen=True)
class Plan:
    """What is measured: each scenario so many times on each server, at one pace, with the texts of one seed."""

    pace: Pace
    repeats: int
    seed: int


@dataclass(frozen=True)
class Result:
    """One measurement of one server."""

    scenario: Scenario
    server: str
    repeat: int
    measurement: Measurement


@dataclass(frozen=True)
class Figures:
    """One server under one scenario: medians over the repeats. Latencies are those of whole calls."""

    texts_per_s: float
    p50_s: float
    p90_s: float
    p99_s: float
    max_s: float


@dataclass(frozen=True)
class Row:
    """One scenario: both servers, the ratio of their throughputs, and the repeats' lowest and highest ratio."""

    scenario: Scenario
    savor: Figures
    peer: Figures
    ratio: float
    lowest: float
    highest: float


async def compare(
    savor: Target, peer: Target, expected: Expected, plan: Plan, done: Callable[[Result], None]
) -> list[Result]:
    """Measures every scenario on both servers. `done` is told each result as it comes."""
    results = []
    for scenario, target, repeat in order(savor, peer, plan.repeats):
        # Each server of a pair gets the same texts from the first on; each repeat begins elsewhere.
        stream = texts.endless(plan.seed + repeat)
        measurement = await measure(target.call, scenario, stream, expected, plan.pace)
        results.append(Result(scenario, target.name, repeat, measurement))
        done(results[-1])
    return results


def order(savor: Target, peer: Target, repeats: int) -> Iterator[tuple[Scenario, Target, int]]:
    """Scenario, server and repeat of each measurement; who goes first changes with every repeat."""
    for repeat in range(repeats):
        pair = (peer, savor) if repeat % 2 else (savor, peer)
        yield from ((scenario, target, repeat) for scenario in SCENARIOS for target in pair)


def rows(results: Sequence[Result], savor: str, peer: str) -> list[Row]:
    """A row for each scenario. Every server needs a result for every repeat."""
    return [_row(scenario, results, savor, peer) for scenario in dict.fromkeys(each.scenario for each in results)]


def problems(results: Sequence[Result]) -> list[str]:
    """Every failed call and every wrong answer, with where it came up."""
    return [f"{each.server}, {each.scenario}: {what}" for each in results for what in each.measurement.problems]


def _row(scenario: Scenario, results: Sequence[Result], savor: str, peer: str) -> Row:
    ours, theirs = (
        [each.measurement for each in results if (each.scenario, each.server) == (scenario, name)]
        for name in (savor, peer)
    )
    ratios = [_ratio(our.texts_per_s, their.texts_per_s) for our, their in zip(ours, theirs, strict=True)]
    figures = _figures(ours), _figures(theirs)
    ratio = _ratio(figures[0].texts_per_s, figures[1].texts_per_s)
    return Row(scenario, *figures, ratio, min(ratios), max(ratios))


def _figures(measurements: Sequence[Measurement]) -> Figures:
    percentiles = (median(each.percentile_s(percent) for each in measurements) for percent in (50, 90, 99, 100))
    return Figures(median(each.texts_per_s for each in measurements), *percentiles)


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else float("nan")
