"""Start-up and memory: with an empty cache, with a warm one, and eager; the server whole, and a probe in steps."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.figures.figure import Figure
from benchmarks.figures.session import work
from benchmarks.load import Scenario, measure
from benchmarks.outcome import Outcome, Table
from benchmarks.plan import Plan
from benchmarks.process import StartFailed, environment
from benchmarks.servers.savor import SavorTarget, Serving
from benchmarks.subject import Subject, subject

COLD, WARM, EAGER = "compiled, cold cache", "compiled, warm cache", "eager"
_ACCELS = {COLD: "onnx", WARM: "onnx", EAGER: "eager"}
_NOT_BEYOND = ("imports", "loading the weights")
_LOAD, _MIB = Scenario(8, 1), 1 << 20
_HEADERS = (
    "start",
    "until it answers, s",
    "beyond imports and weights, s",
    "RSS after serving, MiB",
    "÷ eager",
    "÷ weights",
)


@dataclass(frozen=True)
class Start:
    """One start: the server's seconds until it answers, its memory after serving, and a probe's seconds by step."""

    kind: str
    ready_s: float
    rss_bytes: int
    steps: Mapping[str, float]
    problems: Sequence[str] = ()


async def _measure(plan: Plan) -> Outcome:
    asked = subject(plan.said)
    starts: list[Start] = []
    for repeat in range(plan.repeats):
        # The probe has a cache of its own, so that each of the two finds it empty.
        caches = [plan.scratch / f"{name}-{repeat}" for name in ("server", "probe")]
        for kind in _ACCELS:
            plan.said(f"{kind}, repeat {repeat + 1} of {plan.repeats}")
            starts.append(await _start(kind, asked, caches, plan))
    return outcome(starts, _weights_bytes(asked.folder))


async def _start(kind: str, asked: Subject, caches: Sequence[Path], plan: Plan) -> Start:
    accel = _ACCELS[kind]
    steps = await _probe(asked.folder, caches[1], accel, plan)
    target = SavorTarget(Serving(asked.folder, caches[0], accel), plan.scratch / "savor.log")
    begun_s = time.perf_counter()
    try:
        await target.start(plan.cores)
        ready_s = time.perf_counter() - begun_s
        served = await measure(work(target, asked.expected, plan.seed), _LOAD, plan.pace)
        return Start(kind, ready_s, target.server.process.rss_bytes(), steps, served.problems)
    finally:
        await target.stop()


async def _probe(model: Path, cache: Path, accel: str, plan: Plan) -> Mapping[str, float]:
    command = [sys.executable, "-m", "benchmarks.startup_probe", str(model), str(cache), accel]
    with plan.cores.inherited_by_servers():
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **environment(plan.cores.threads)},
        )
    printed, said = await process.communicate()
    if process.returncode:
        raise StartFailed(f"the start-up probe ended:\n{said.decode(errors='replace')[-1000:]}")
    steps: dict[str, float] = json.loads(printed.splitlines()[-1])
    return steps


def _weights_bytes(model: Path) -> int:
    return sum(file.stat().st_size for file in (model / "model").glob("*.safetensors"))


def outcome(starts: Sequence[Start], weights_bytes: int) -> Outcome:
    """What the starts say: medians over the repeats."""
    kinds = {kind: [start for start in starts if start.kind == kind] for kind in _ACCELS}
    rss = {kind: median(start.rss_bytes for start in found) for kind, found in kinds.items()}
    rows = [
        (
            kind,
            f"{median(start.ready_s for start in found):.1f}",
            f"{_beyond_s(found):.1f}",
            f"{rss[kind] / _MIB:.0f}",
            f"{rss[kind] / rss[EAGER]:.2f}",
            f"{rss[kind] / weights_bytes:.1f}",
        )
        for kind, found in kinds.items()
    ]
    return Outcome(
        tables=[Table(_HEADERS, rows), _steps(kinds)],
        bars={"startup_s": _beyond_s(kinds[WARM]), "memory": rss[WARM] / rss[EAGER]},
        notes=[f"The weights are {weights_bytes / _MIB:.0f} MiB on disk."],
        problems=[what for start in starts for what in start.problems],
        raw=[asdict(start) for start in starts],
    )


def _steps(kinds: Mapping[str, Sequence[Start]]) -> Table:
    names = dict.fromkeys(name for found in kinds.values() for start in found for name in start.steps)
    rows = [(name, *(_step(name, found) for found in kinds.values())) for name in names]
    return Table(("step of the probe, s", *kinds), rows)


def _beyond_s(starts: Sequence[Start]) -> float:
    """What the starts took beyond imports and the loading of weights, which the probe tells."""
    ready_s = median(start.ready_s for start in starts)
    return ready_s - sum(median(start.steps[name] for start in starts) for name in _NOT_BEYOND)


def _step(name: str, found: Sequence[Start]) -> str:
    seconds = [start.steps[name] for start in found if name in start.steps]
    return f"{median(seconds):.1f}" if seconds else ""


FIGURE = Figure("startup", "Start-up and memory", _measure)
