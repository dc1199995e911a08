"""Made-up measurements for the tests of what becomes of them."""

from benchmarks.comparison import Figures, Result, Row
from benchmarks.load import Measurement, Scenario

ONE, MANY = Scenario(1, 1), Scenario(4, 16)


def measured(texts_per_s: float, *latencies_s: float, problems: tuple[str, ...] = ()) -> Measurement:
    return Measurement(texts_per_s, latencies_s or (0.01,), problems)


def result(server: str, repeat: int, measurement: Measurement, scenario: Scenario = ONE) -> Result:
    return Result(scenario, server, repeat, measurement)


def figures(texts_per_s: float) -> Figures:
    return Figures(texts_per_s, 0.010, 0.012, 0.020, 0.050)


def row(ours: float, theirs: float, scenario: Scenario = ONE) -> Row:
    return Row(scenario, figures(ours), figures(theirs), ours / theirs, 1.5, 2.5)
