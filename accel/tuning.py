"""Which ways of running a model there are on this machine, and how fast one of them is. Nothing is chosen here."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from savor.accel.backend import Backend, Batch
from savor.accel.plan import Accel
from savor.flavor.item import Row

CPUINFO = Path("/proc/cpuinfo")
_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
"""What that file calls instructions for bf16, on x86 and on ARM."""


@dataclass(frozen=True)
class Candidate:
    """A way of running a model. `missing` says why this machine does not have it, empty where it does."""

    accel: Accel
    precision: str
    provider: str | None = None
    missing: str = ""

    @property
    def name(self) -> str:
        """What tables call it."""
        return " ".join(filter(None, (self.accel.value, self.provider, self.precision)))


@dataclass(frozen=True)
class Speed:
    """Items and generated tokens a second in batches, and the seconds of one item alone."""

    items_per_s: float
    tokens_per_s: float
    alone_s: float


def candidates(*, gpu: bool) -> Sequence[Candidate]:
    """Every way, eager float32 first, which all others are compared with."""
    return tuple(_on_gpu() if gpu else _on_cpu())


def _on_cpu() -> Iterator[Candidate]:
    yield Candidate(Accel.EAGER, "fp32")
    yield Candidate(Accel.EAGER, "bf16", missing="" if _has_bf16() else "this CPU has no instructions for bf16")
    yield Candidate(Accel.COMPILE, "fp32")
    yield Candidate(Accel.ONNX, "fp32")
    yield Candidate(Accel.ONNX, "int8")


def _on_gpu() -> Iterator[Candidate]:
    yield from (Candidate(Accel.EAGER, precision) for precision in ("fp32", "fp16", "bf16"))
    yield from (Candidate(Accel.COMPILE, precision) for precision in ("fp32", "fp16"))
    for provider in ("cuda", "tensorrt"):
        yield from (Candidate(Accel.ONNX, precision, provider) for precision in ("fp32", "fp16"))


def _has_bf16() -> bool:
    try:
        told = CPUINFO.read_text()
    except OSError:
        return False
    return not set(_BF16).isdisjoint(told.split())


def measure(backend: Backend, batches: Sequence[Batch], seconds: float) -> Speed:
    """The speed of a backend: one pass over the batches at least, and as many as fit into some seconds.

    Others on the same machine only make it slower, so each batch counts as it was at its fastest.
    """
    every = [_alone(batch, place) for batch in batches for place in range(len(batch.items))]
    alone = sorted(every, key=lambda batch: batch.items[0].length)[len(every) // 2]
    # Shapes that it has not seen cost compilers and memory pools more than the next time.
    for batch in (alone, max(batches, key=_tokens_in)):
        backend.run(batch)
    alone_s, _ = _fastest(backend, [alone], seconds / 4)
    all_s, tokens = _fastest(backend, batches, seconds)
    return Speed(len(every) / all_s, tokens / all_s, alone_s)


def _alone(batch: Batch, place: int) -> Batch:
    return Batch(batch.items[place : place + 1], batch.watches[place : place + 1])


def _tokens_in(batch: Batch) -> int:
    return len(batch.items) * max(item.length for item in batch.items)


def _fastest(backend: Backend, batches: Sequence[Batch], seconds: float) -> tuple[float, int]:
    """The seconds that all batches take, each at its fastest, and the tokens that they generate."""
    fastest_s, tokens = [math.inf] * len(batches), [0] * len(batches)
    begun_s = time.perf_counter()
    while math.inf in fastest_s or time.perf_counter() - begun_s < seconds:
        for place, batch in enumerate(batches):
            started_s = time.perf_counter()
            rows = backend.run(batch)
            fastest_s[place] = min(fastest_s[place], time.perf_counter() - started_s)
            tokens[place] = sum(map(_generated, rows))
    return sum(fastest_s), sum(tokens)


def _generated(row: Row) -> int:
    """The generated tokens of a row; 0 for models that don't say."""
    return int(row["lengths"].sum()) if "lengths" in row else 0
