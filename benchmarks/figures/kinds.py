"""Other kinds of models: throughput of the server at eight callers, compiled beside eager, each with real weights.

Both must say of every input what the eager model says of it alone.
"""

import math
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import model, texts
from benchmarks.figures.figure import Figure
from benchmarks.figures.session import COMPILED
from benchmarks.load import Measurement, Scenario, Work, measure, middle
from benchmarks.outcome import Outcome, Table
from benchmarks.plan import Plan
from benchmarks.process import StartFailed
from benchmarks.servers.savor import SavorServer, Serving
from benchmarks.servers.target import CallFailed
from benchmarks.subject import CACHE
from demo.weights import fetch
from savor.client import AioClient, SavorError, connect_aio

_ROOT = Path(__file__).parents[2]
_LOAD, _TOLERANCE = Scenario(8, 1), 1e-3
_TEXTS, _FEW_TEXTS = 48, 12
_SPEECH, _SPEECH_S = _ROOT / "demo" / "speech.flac", 5.3
_ACCELS = ("eager", "onnx")

Ask = Callable[[AioClient, Any], Awaitable[Any]]
"""Calls the server with one input, and gives what is compared of the answer."""


@dataclass(frozen=True)
class Kind:
    """A model of another family. `seconds` is how long an input plays, 0 for texts."""

    title: str
    weights: str
    task: str
    ask: Ask
    inputs: Sequence[Any]
    seconds: float = 0.0


async def _vector(client: AioClient, text: str) -> Any:
    return (await client.embed_text(text)).results[0].values


async def _entities(client: AioClient, text: str) -> Any:
    return [(entity.label, entity.word) for entity in (await client.classify_tokens(text)).results[0].entities]


async def _written(client: AioClient, text: str) -> Any:
    return (await client.transform_text(text)).results[0].sequences[0].text


async def _heard(client: AioClient, recording: bytes) -> Any:
    return (await client.recognize_speech(recording)).results[0].text


def _kinds() -> Sequence[Kind]:
    some = list(islice(texts.endless(0), _TEXTS))
    return (
        Kind("embeddings", "all-minilm-l6-v2", "feature-extraction", _vector, some),
        Kind("token classification", "quire-grammar", "token-classification", _entities, some),
        Kind("text to text", "traceforge-title", "text2text-generation", _written, some[:_FEW_TEXTS]),
        Kind(
            "speech recognition",
            "whisper-tiny-en",
            "automatic-speech-recognition",
            _heard,
            [_SPEECH.read_bytes()],
            _SPEECH_S,
        ),
    )


@dataclass(frozen=True)
class Sample:
    """One measurement of one kind under one way to run it, or why there is none."""

    kind: str
    accel: str
    measurement: Measurement


async def _measure(plan: Plan) -> Outcome:
    samples: list[Sample] = []
    reasons: list[str] = []
    kinds = _kinds()[: 1 if plan.quick else None]
    for kind in kinds:
        saved = _saved(kind, plan.said)
        right: dict[Any, Any] = {}
        for accel in _ACCELS:
            try:
                samples += await _at(kind, saved, accel, right, plan)
            except StartFailed as failure:
                reasons.append(f"{kind.title}, {accel}: {str(failure).strip().splitlines()[-1][:200]}")
    return outcome(kinds, samples, reasons)


def _saved(kind: Kind, said: Callable[[str], None]) -> Path:
    """The kind's model, saved through MLflow once."""
    folder = CACHE / kind.weights
    if not folder.is_dir():
        from transformers import pipeline

        said(f"saving {kind.weights}")
        draft = folder.with_name(f".{kind.weights}")
        shutil.rmtree(draft, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        model.save(pipeline(kind.task, model=str(fetch(kind.weights)), device="cpu"), draft)
        draft.rename(folder)
    return folder


async def _at(kind: Kind, saved: Path, accel: str, right: dict[Any, Any], plan: Plan) -> list[Sample]:
    """The measurements of one way to run a kind; the first fills `right` with its answers to each text alone."""
    server = SavorServer(Serving(saved, COMPILED, accel), plan.scratch / f"{kind.weights}-{accel}.log")
    plan.said(f"starting Savor with {kind.title}, {accel}")
    try:
        await server.start(plan.cores)
        async with connect_aio(server.address, retries=0) as client:
            for given in kind.inputs if not right else ():
                right[given] = await kind.ask(client, given)
            samples = []
            for repeat in range(plan.repeats):
                plan.said(f"{kind.title}, {accel}, repeat {repeat + 1} of {plan.repeats}")
                work = Work(_caller(client, kind.ask), cycle(kind.inputs), _checked(right))
                samples.append(Sample(kind.title, accel, await measure(work, _LOAD, plan.pace)))
            return samples
    finally:
        await server.stop()


def _caller(client: AioClient, ask: Ask) -> Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]:
    async def call(inputs: Sequence[Any]) -> Sequence[Any]:
        try:
            return [await ask(client, given) for given in inputs]
        except SavorError as error:
            raise CallFailed(str(error), error.code) from error

    return call


def _checked(right: dict[Any, Any]) -> Callable[[Sequence[Any], Sequence[Any]], str | None]:
    def problem(inputs: Sequence[Any], answers: Sequence[Any]) -> str | None:
        wrong = (answer for given, answer in zip(inputs, answers, strict=True) if not equal(right[given], answer))
        return next((f"{answer!s:.80} is not what the eager model says alone" for answer in wrong), None)

    return problem


def equal(right: Any, given: Any) -> bool:
    """Whether two answers are the same; numbers within the tolerance."""
    if isinstance(right, tuple):
        return len(right) == len(given) and all(
            math.isclose(one, other, abs_tol=_TOLERANCE) for one, other in zip(right, given, strict=True)
        )
    return bool(right == given)


def outcome(kinds: Sequence[Kind], samples: Sequence[Sample], reasons: Sequence[str]) -> Outcome:
    """What the samples say: medians over the repeats."""
    return Outcome(
        tables=[
            Table(
                (
                    "kind, weights",
                    "eager, calls/s",
                    "compiled, calls/s",
                    "ratio",
                    "compiled p50 / p99, ms",
                    "times real time",
                ),
                [_row(kind, samples) for kind in kinds],
            )
        ],
        notes=reasons,
        problems=[f"{each.kind}, {each.accel}: {what}" for each in samples for what in each.measurement.problems],
        raw=[asdict(sample) for sample in samples],
    )


def _row(kind: Kind, samples: Sequence[Sample]) -> Sequence[str]:
    eager, compiled = (
        [each.measurement for each in samples if (each.kind, each.accel) == (kind.title, accel)] for accel in _ACCELS
    )
    speeds = [median(each.texts_per_s for each in found) if found else math.nan for found in (eager, compiled)]
    latencies = f"{middle(compiled, 50) * 1000:.0f} / {middle(compiled, 99) * 1000:.0f}" if compiled else ""
    real_time = f"{speeds[1] * kind.seconds:.1f}" if kind.seconds else ""
    return (
        f"{kind.title}, {kind.weights}",
        *(f"{speed:.1f}" for speed in speeds),
        f"{speeds[1] / speeds[0]:.2f}",
        latencies,
        real_time,
    )


FIGURE = Figure("kinds", "Kinds of models", _measure)
