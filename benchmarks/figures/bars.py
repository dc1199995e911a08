"""The bars that Savor is held to, beside what was measured."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.outcome import Table


@dataclass(frozen=True)
class Bar:
    """What a value has to be: `figure` is where it is measured, `key` its name there."""

    figure: str
    key: str
    title: str
    least: bool
    bound: float
    unit: str = ""

    def met(self, value: float) -> bool:
        """Whether a value is good enough; one that is not a number is not."""
        compare: Callable[[float, float], bool] = operator.ge if self.least else operator.le
        return compare(value, self.bound)

    def __str__(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.bound:g}{self.unit}"


_BUSY = "saturated throughput, 32 callers, fp32"
BARS: Sequence[Bar] = (
    Bar("limit", "limit", f"{_BUSY} ÷ the offline limit", True, 0.9),
    Bar("peers", "mlflow", f"{_BUSY} ÷ `mlflow models serve`", True, 4),
    Bar("peers", "grpc", f"{_BUSY} ÷ the best gRPC peer", True, 1.3),
    Bar("peers", "grpc_large", "16 texts per call, 4 callers ÷ the best gRPC peer", True, 1.0),
    Bar("peers", "mlflow_int8", "int8, 32 callers ÷ `mlflow models serve`", True, 7),
    Bar("idle", "idle_ms", "idle p50, one caller, less the in-process call", False, 1, " ms"),
    Bar("abandoned", "abandoned", "a fresh call after 200 abandoned ones ÷ idle latency", False, 3),
    Bar("overload", "overload", "goodput at 4 x overload ÷ capacity", True, 0.9),
    Bar("startup", "startup_s", "start with a warm cache, beyond imports and weight loading", False, 2, " s"),
    Bar("startup", "memory", "RSS after serving, compiled ÷ eager", False, 1.2),
)


def table(measured: Mapping[str, Mapping[str, float]]) -> Table:
    """Every bar with its value, by figure and key; one that was not measured says so."""
    return Table(("figure", "measured", "bar", "met"), [_row(bar, measured.get(bar.figure, {})) for bar in BARS])


def _row(bar: Bar, values: Mapping[str, float]) -> Sequence[str]:
    value = values.get(bar.key)
    if value is None:
        return bar.title, "not measured", str(bar), ""
    return bar.title, f"{value:.2f}{bar.unit}", str(bar), "yes" if bar.met(value) else "**no**"
