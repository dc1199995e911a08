"""How far each precision is from float32 in torch, on real texts and speech: `python -m benchmarks.accuracy --write`.

Graphs are measured whether they would be verified or not, so that the page can say what a refusal keeps away.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from benchmarks import machine, model, page, publication, texts
from benchmarks.outcome import Table
from benchmarks.subject import CACHE
from demo.weights import SOURCES, fetch
from savor.accel import conversion, export, onnx
from savor.accel.backend import Backend, unwatched
from savor.accel.eager import EagerBackend
from savor.accel.onnx import OnnxBackend, Runtime
from savor.accel.precision import PRECISIONS
from savor.accel.probes import probes
from savor.accel.verification import Verification, tokens_of
from savor.flavor import saved, table
from savor.flavor.artifact import Artifact
from savor.flavor.families.speech_recognition import RecognizeSpeechRequest, prepare
from savor.flavor.item import Array, Item, Row
from savor.flavor.load import LoadOptions, load
from savor.flavor.probe import Probe
from savor.flavor.recording import AudioInput

_ROOT = Path(__file__).parents[1]
PAGE, SECTION = _ROOT / "docs" / "precision.md", "accuracy"
HEADERS = ("model", "runs", "largest difference", "mean", "decisions", "MB", "speed", "verified")
_TOKENS, _FEW, _RUNTIME = 20, 2, Runtime(threads=1)
_HEAVY_CHAIN = "EVQLVESGGGLVQPGGSLRLSCAASGFTFSSYAMSWVRQAPGKGLEWVS"

Rows = Sequence[Row]


@dataclass(frozen=True)
class Case:
    """A model with what it reads; `decisions` says in words what became of them: (artifact, eager rows, rows)."""

    name: str
    make: Callable[[], Any]
    inputs: Sequence[Any]
    decisions: Callable[[Artifact, Rows, Rows], str]


@dataclass(frozen=True)
class Run:
    """What one way of running a case gave, in how many seconds of CPU time."""

    rows: Rows
    cpu_s: float


def labels(_: Artifact, expected: Rows, given: Rows) -> str:
    """The share of equal labels: of texts, or of all their tokens."""
    pairs = zip(map(_first, expected), map(_first, given), strict=True)
    same = np.concatenate([np.ravel(want.argmax(-1) == got.argmax(-1)) for want, got in pairs])
    return f"{same.mean():.2%} of {same.size} labels"


def embeddings(_: Artifact, expected: Rows, given: Rows) -> str:
    """Cosines of the means over a text's tokens."""
    pairs = [(_first(want).mean(0), _first(got).mean(0)) for want, got in zip(expected, given, strict=True)]
    cosines = [float(want @ got / np.linalg.norm(want) / np.linalg.norm(got)) for want, got in pairs]
    return f"cosine {np.mean(cosines):.4f}, lowest {min(cosines):.4f} of {len(cosines)}"


def written(_: Artifact, expected: Rows, given: Rows) -> str:
    """The share of equal texts, and that of tokens at the same place."""
    pairs = [(_tokens(want), _tokens(got)) for want, got in zip(expected, given, strict=True)]
    texts_ = sum(want == got for want, got in pairs)
    tokens = sum(left == right for want, got in pairs for left, right in zip(want, got, strict=False))
    return f"{texts_} of {len(pairs)} texts, {tokens / sum(max(map(len, pair)) for pair in pairs):.1%} of tokens"


def heard(artifact: Artifact, expected: Rows, given: Rows) -> str:
    """The word error rate against what the eager model heard."""
    says = artifact.pipeline.tokenizer.decode
    rows = zip(expected, given, strict=True)
    pairs = [[says(_tokens(row), skip_special_tokens=True).split() for row in pair] for pair in rows]
    errors, words = sum(edits(want, got) for want, got in pairs), sum(len(want) for want, _ in pairs)
    return f"{errors / words:.1%} of {words} words wrong"


def edits(expected: Sequence[str], given: Sequence[str]) -> int:
    """The least number of words to change, add or leave out that makes the one of the other (Levenshtein)."""
    row = list(range(len(given) + 1))
    for place, want in enumerate(expected, 1):
        before, row[0] = row[0], place
        for column, got in enumerate(given, 1):
            before, row[column] = row[column], min(before + (want != got), row[column] + 1, row[column - 1] + 1)
    return row[-1]


def differences(expected: Rows, given: Rows) -> tuple[str, str]:
    """The largest and the mean difference of numbers, as shares of the largest; dashes for tokens."""
    if "tokens" in expected[0]:
        return "-", "-"
    pairs = [(_first(want), _first(got)) for want, got in zip(expected, given, strict=True)]
    scale = max(float(np.abs(want).max()) for want, _ in pairs)
    apart = np.concatenate([np.ravel(np.abs(want - got)) for want, got in pairs]) / scale
    return f"{apart.max():.2g}", f"{apart.mean():.2g}"


def _first(row: Row) -> Array:
    return next(iter(row.values()))


def _tokens(row: Row) -> list[int]:
    return [int(token) for token in np.ravel(tokens_of(row))]


def cases() -> Sequence[Case]:
    """The demo's models and the benchmark's classifier."""
    corpus = texts.corpus()
    prefixes = [_HEAVY_CHAIN[:length] for length in range(20, len(_HEAVY_CHAIN))]
    speech = [_ROOT / "demo" / name for name in ("speech.flac", "speech-long.flac")]
    return (
        Case("MiniLM with two labels", model.classifier, corpus, labels),
        Case("all-minilm-l6-v2", _demo("all-minilm-l6-v2"), corpus[:160], embeddings),
        Case("quire-grammar", _demo("quire-grammar"), corpus[:80], labels),
        Case("antiberty-species", _demo("antiberty-species"), prefixes, labels),
        Case("traceforge-title", _demo("traceforge-title"), corpus[:40], written),
        Case("whisper-tiny-en", _demo("whisper-tiny-en"), speech, heard),
    )


def _demo(name: str) -> Callable[[], Any]:
    from transformers import pipeline

    return lambda: pipeline(SOURCES[name].task, model=str(fetch(name)), device="cpu")


def measure(case: Case) -> Iterator[tuple[str, ...]]:
    """A row of the table for each way of running a case."""
    folder = CACHE / "accuracy" / case.name.replace(" ", "-")
    if not folder.is_dir():
        model.save(case.make(), folder)
    artifact = _loaded(folder)
    items = [item for given in case.inputs for item in _items(artifact, given)]
    eager = EagerBackend(artifact, threads=1)
    verification, expected = Verification(eager, probes(artifact)), _run(eager, items)
    graphs = _exported(artifact, folder)
    base = 0.0
    for precision in ("fp32", "fp16", "int8"):
        backend, size = _compiled(artifact, graphs, precision)
        report = verification.compare(backend, PRECISIONS[precision])
        run = _run(backend, items)
        base = base or run.cpu_s
        told = (f"{size >> 20}", f"{base / run.cpu_s:.2f}", "yes" if report.passed else f"no: {report.agreement:.0%}")
        yield (case.name, f"ONNX {precision}", *_compared(case, artifact, expected, run), *told)
    for dtype, name in (("float32", "fp32"), ("bfloat16", "bf16")):
        run = _run(EagerBackend(_loaded(folder, dtype), threads=1), items)
        told = ("-", f"{base / run.cpu_s:.2f}", "-")
        yield (case.name, f"torch {name}", *_compared(case, artifact, expected, run), *told)


def _compared(case: Case, artifact: Artifact, expected: Run, run: Run) -> tuple[str, str, str]:
    return *differences(expected.rows, run.rows), case.decisions(artifact, expected.rows, run.rows)


def _loaded(folder: Path, dtype: str | None = None) -> Artifact:
    return load(saved.read(folder), LoadOptions(device="cpu", dtype=dtype))


def _items(artifact: Artifact, given: Any) -> Sequence[Item]:
    if isinstance(given, Path):
        return prepare(RecognizeSpeechRequest((AudioInput(content=given.read_bytes()),), {}), artifact).items
    family = table.families_of(artifact.saved.family_task, artifact.saved.inference_task)[0]
    return family.probe(artifact, Probe(given, _TOKENS)).items


def _exported(artifact: Artifact, folder: Path) -> Path:
    graphs = folder.with_name(f"{folder.name}-graphs")
    if not graphs.is_dir():
        draft = graphs.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        export.export(artifact, draft)
        draft.rename(graphs)
    return graphs


def _compiled(artifact: Artifact, graphs: Path, precision: str) -> tuple[Backend, int]:
    """The backend of a precision, and the bytes of its graphs."""
    folder = graphs.with_suffix(f".{precision}")
    shutil.copytree(graphs, folder, dirs_exist_ok=True)
    conversion.convert(folder, precision)
    ready = onnx.opened(artifact, folder, export.route(artifact), _RUNTIME)
    size = sum(file.stat().st_size for file in folder.glob("*.onnx*"))
    shutil.rmtree(folder)
    return OnnxBackend(ready, _RUNTIME, precision), size


def _run(backend: Backend, items: Sequence[Item]) -> Run:
    """The rows of items, one by one."""
    batches = [unwatched([item]) for item in items]
    for batch in batches[:_FEW]:
        backend.run(batch)
    began = time.process_time()
    rows = [backend.run(batch)[0] for batch in batches]
    return Run(rows, time.process_time() - began)


def section(rows: Sequence[Sequence[str]]) -> str:
    """The page's section: the table, the command and the machine."""
    facts = "; ".join(f"{name}: {value}" for name, value in machine.describe().items())
    command = "```console\npython -m benchmarks.accuracy --write\n```"
    return f"{publication.markdown(Table(HEADERS, rows))}\n\n{command}\n\n{facts}"


def main(
    only: Annotated[str, typer.Option(help="Measure the models whose name contains this.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Put the table into docs/precision.md.")] = False,
) -> None:
    """Measure how far each precision is from float32."""
    if write and only:
        raise typer.BadParameter("the page has all models: leave out --only")
    console, rows = Console(stderr=True), []
    for case in cases():
        if only in case.name:
            with console.status(case.name):
                found = list(measure(case))
            console.print(publication.markdown(Table(HEADERS, found)), highlight=False, soft_wrap=True)
            rows += found
    if write:
        page.rewrite(PAGE, SECTION, section(rows))


if __name__ == "__main__":
    typer.run(main)
