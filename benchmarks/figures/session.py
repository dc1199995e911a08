"""A server, or the limit, for the length of a block; what several figures do with one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from benchmarks import texts
from benchmarks.answers import Answer, Expected
from benchmarks.limit_process import Limit, graph_of
from benchmarks.load import Work
from benchmarks.plan import Plan
from benchmarks.servers.savor import SavorTarget, Serving
from benchmarks.servers.target import Target
from benchmarks.subject import CACHE, Subject

COMPILED = CACHE / "compiled"
"""Where the compiled models of all figures are kept, but for those of `startup`, which makes its own."""
INT8_TOLERANCE = 0.1
"""What counts as the same probability at int8, which scales a batch by its largest values: neighbours matter."""

AnyTarget = TypeVar("AnyTarget", bound=Target)


@asynccontextmanager
async def started(target: AnyTarget, plan: Plan) -> AsyncIterator[AnyTarget]:
    """The target, serving. Raises StartFailed."""
    plan.said(f"starting {target.name}")
    try:
        await target.start(plan.cores)
        yield target
    finally:
        plan.said(f"stopping {target.name}")
        await target.stop()


@asynccontextmanager
async def limit(asked: Subject, precision: str, plan: Plan) -> AsyncIterator[Limit]:
    """The model in process, of the graph that Savor has compiled before."""
    process = await Limit.start(graph_of(COMPILED, asked.folder, precision), asked.folder, plan.cores)
    try:
        yield process
    finally:
        await process.stop()


def savor(asked: Subject, plan: Plan, accel: str = "onnx", precision: str = "fp32") -> SavorTarget:
    """Savor with the classifier."""
    return SavorTarget(
        Serving(asked.folder, COMPILED, accel, precision), plan.scratch / f"savor-{accel}-{precision}.log"
    )


def work(target: Target, expected: Expected, seed: int) -> Work[str, Answer]:
    """The texts of a seed, put to a target and checked."""
    return Work(target.call, texts.endless(seed), expected.problem)


async def expected_at(precision: str, asked: Subject, process: Limit) -> Expected:
    """The right answers at a precision: eager float32's, but for int8, which is compared with itself in process."""
    if precision == "fp32":
        return asked.expected
    answers = [answer for answer, _ in await process.each(list(asked.expected.answers))]
    return Expected(dict(zip(asked.expected.answers, answers, strict=True)), INT8_TOLERANCE)
