"""Made-up measurements for the tests of what becomes of them."""

from benchmarks.load import Measurement


def measured(texts_per_s: float, *latencies_s: float, problems: tuple[str, ...] = ()) -> Measurement:
    return Measurement(texts_per_s, latencies_s or (0.01,), problems)
