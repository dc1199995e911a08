"""On a GPU: eager, torch.compile and ONNX without a server by batch size, and the server saturated beside the best."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.cores import Cores
from benchmarks.figures.figure import Figure, NotHere
from benchmarks.figures.session import COMPILED, INT8_TOLERANCE, started, work
from benchmarks.load import Measurement, Scenario, measure
from benchmarks.offline_backend import SIZES
from benchmarks.outcome import Outcome, Table
from benchmarks.plan import Plan
from benchmarks.process import StartFailed, environment
from benchmarks.servers.savor import SavorTarget, Serving
from benchmarks.subject import Subject, subject

_WAYS = (("eager", "fp32"), ("eager", "fp16"), ("compile", "fp16"), ("onnx", "fp32"), ("onnx", "fp16"))
# Texts by the handful: with one a call, the load itself would be the limit.
_LOAD = Scenario(32, 64)
_LEAST_CORES = 4
_DEVICE = "cuda"


@dataclass(frozen=True)
class Way:
    """One way to run the model: texts per second without a server by batch size, and the server's measurements."""

    accel: str
    precision: str
    offline: Mapping[str, float]
    server: Sequence[Measurement]


async def _measure(plan: Plan) -> Outcome:
    _check()
    asked = subject(plan.said)
    ways: list[Way] = []
    reasons: list[str] = []
    for accel, precision in _WAYS:
        try:
            ways.append(await _way(Serving(asked.folder, COMPILED, accel, precision, _DEVICE), asked, plan))
        except StartFailed as failure:
            reasons.append(f"{accel}, {precision}: {str(failure).strip().splitlines()[-1][:200]}")
    return outcome(ways, reasons)


def _check() -> None:
    """Raises NotHere where there is no GPU, or too few cores to keep one busy."""
    import torch

    if not torch.cuda.is_available():
        raise NotHere("torch sees no GPU here: it needs an NVIDIA GPU, torch with CUDA and `pip install savor[gpu]`")
    if (cores := os.cpu_count() or 1) < _LEAST_CORES:
        raise NotHere(f"{cores} CPU cores can't keep a GPU and its load busy: it needs {_LEAST_CORES}")


async def _way(serving: Serving, asked: Subject, plan: Plan) -> Way:
    plan.said(f"{serving.accel}, {serving.precision}: without a server")
    offline = await _offline(serving, plan.cores)
    # Half precision is as far from float32 as int8 may be.
    tolerance = asked.expected.tolerance if serving.precision == "fp32" else INT8_TOLERANCE
    expected = asked.expected.within(tolerance)
    target = SavorTarget(serving, plan.scratch / "savor-gpu.log")
    async with started(target, plan):
        server = [
            await measure(work(target, expected, plan.seed + repeat), _LOAD, plan.pace)
            for repeat in range(plan.repeats)
        ]
    return Way(serving.accel, serving.precision, offline, server)


async def _offline(serving: Serving, cores: Cores) -> Mapping[str, float]:
    how = [str(serving.model), str(serving.compiled), serving.accel, serving.precision, serving.device]
    command = [sys.executable, "-m", "benchmarks.offline_backend", *how]
    with cores.inherited_by_servers():
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **environment(cores.threads)},
        )
    printed, said = await process.communicate()
    if process.returncode:
        raise StartFailed(said.decode(errors="replace")[-1000:])
    speeds: Mapping[str, float] = json.loads(printed.splitlines()[-1])
    return speeds


def outcome(ways: Sequence[Way], reasons: Sequence[str]) -> Outcome:
    """What the ways say: medians over the repeats."""
    headers = (
        "texts/s",
        *(f"offline, batches of {size}" for size in SIZES),
        f"server, {_LOAD}",
        "server ÷ best offline",
    )
    return Outcome(
        tables=[Table(headers, [_row(way) for way in ways])],
        notes=reasons,
        problems=[
            f"{way.accel}, {way.precision}: {what}" for way in ways for each in way.server for what in each.problems
        ],
        raw=[asdict(way) for way in ways],
    )


def _row(way: Way) -> Sequence[str]:
    server = median(each.texts_per_s for each in way.server)
    offline = [f"{speed:.0f}" for speed in way.offline.values()]
    return f"{way.accel}, {way.precision}", *offline, f"{server:.0f}", f"{server / max(way.offline.values()):.2f}"


FIGURE = Figure("gpu", "On a GPU", _measure)
