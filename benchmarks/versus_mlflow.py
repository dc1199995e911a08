"""Savor and `mlflow models serve` with the same saved model, in one run: `python -m benchmarks.versus_mlflow`.

Both answer the same texts in the same order, every answer is checked, and one that is wrong fails the run.
"""

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks import chart, comparison, cores, machine, model, page, texts
from benchmarks.answers import Expected, expect
from benchmarks.comparison import SCENARIOS, Plan, Result
from benchmarks.cores import Cores
from benchmarks.load import Pace
from benchmarks.mlflow_target import MlflowTarget
from benchmarks.process import StartFailed
from benchmarks.report import Report
from benchmarks.savor_target import SavorTarget
from demo.errors import WeightsUnavailable

_ROOT = Path(__file__).parents[1]
_PAGE, _CHART = _ROOT / "docs" / "performance.md", _ROOT / "docs" / "performance.svg"
_RESULTS = Path(__file__).parent / "results"
_QUICK = Pace(warm_up_s=0.3, duration_s=1.0)
_PIPED_COLUMNS, _SHOWN = 120, 10

_console = Console(stderr=True)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class _Outcome:
    results: list[Result]
    backend: str


@app.command()
def main(
    duration_s: Annotated[float, typer.Option("--duration", min=0.1, max=300, help="Measured seconds of a run.")] = 10,
    warm_up_s: Annotated[float, typer.Option("--warm-up", min=0, max=60, help="Seconds of load before them.")] = 2,
    repeats: Annotated[int, typer.Option(min=1, max=20, help="Runs of each scenario; the median counts.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the order of the texts.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads, and pinned cores, of each server.")] = 1,
    pin: Annotated[bool, typer.Option(help="Keep the servers and the load on cores of their own.")] = True,
    quick: Annotated[bool, typer.Option("--quick", help="One short run of each: a test, not a measurement.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Put the outcome into docs/performance.md.")] = False,
    results: Annotated[Path, typer.Option(file_okay=False, help="Folder for the figures as JSON.")] = _RESULTS,
) -> None:
    """Measure Savor against `mlflow models serve` on this machine: throughput, latency and their ratios."""
    if quick and write:
        raise typer.BadParameter("figures of a --quick run are no measurement: leave out --write")
    if write:
        # Now, not after minutes of measuring.
        page.check(_PAGE)
    plan = Plan(_QUICK, 1, seed) if quick else Plan(Pace(warm_up_s, duration_s), repeats, seed)
    placed = cores.divide(threads, pinned=pin)
    cores.pin(placed.load)
    try:
        outcome = _run(plan, placed)
    except (StartFailed, WeightsUnavailable) as failure:
        _fail(str(failure))
    wrong = comparison.problems(outcome.results)
    _publish(_report(outcome, plan, placed), results, write=write and not wrong)
    if wrong:
        _fail("\n".join([f"{len(wrong)} calls failed or were wrong:", *wrong[:_SHOWN]]))


def _fail(reason: str) -> NoReturn:
    _console.print(f"[bold red]error:[/] {escape(reason)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _run(plan: Plan, placed: Cores) -> _Outcome:
    with tempfile.TemporaryDirectory(prefix="savor-benchmark-") as scratch:
        folder = Path(scratch)
        with _console.status("saving the model …"):
            classifier = model.classifier()
            saved = model.save(classifier, folder / "classifier")
        with _console.status("computing the right answers …"):
            expected = expect(classifier, texts.corpus())
        return asyncio.run(_compare(saved, expected, plan, placed))


async def _compare(saved: Path, expected: Expected, plan: Plan, placed: Cores) -> _Outcome:
    savor, peer = SavorTarget(saved.parent), MlflowTarget(saved.parent)
    try:
        for target in (savor, peer):
            with _console.status(f"starting {target.name} …"):
                await target.start(saved, placed)
        with _progress() as progress:
            task = progress.add_task("measuring", total=2 * len(SCENARIOS) * plan.repeats)
            results = await comparison.compare(
                savor, peer, expected, plan, lambda result: progress.update(task, advance=1, description=_said(result))
            )
        return _Outcome(results, await savor.backend())
    finally:
        with _console.status("stopping the servers …"):
            await asyncio.gather(savor.stop(), peer.stop())


def _progress() -> Progress:
    # Drawn seldom: the load has one core, and it is for the load.
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=_console, refresh_per_second=1)


def _said(result: Result) -> str:
    return f"{result.server}, {result.scenario}: {result.measurement.texts_per_s:.0f} texts/s"


def _report(outcome: _Outcome, plan: Plan, placed: Cores) -> Report:
    pace = plan.pace
    facts = {
        **machine.describe(),
        "cores": str(placed),
        "Savor runs": outcome.backend,
        "runs": f"{plan.repeats} of {pace.duration_s:g} s each after {pace.warm_up_s:g} s, seed {plan.seed}",
    }
    rows = comparison.rows(outcome.results, SavorTarget.name, MlflowTarget.name)
    return Report(_command(plan, placed), facts, rows, outcome.results)


def _command(plan: Plan, placed: Cores) -> str:
    """The command that repeats this run."""
    pace = plan.pace
    given = f"--duration {pace.duration_s:g} --warm-up {pace.warm_up_s:g} --repeats {plan.repeats} --seed {plan.seed}"
    return f"python -m benchmarks.versus_mlflow {given} --threads {placed.threads}{'' if placed.load else ' --no-pin'}"


def _publish(report: Report, results: Path, *, write: bool) -> None:
    Console(width=None if sys.stdout.isatty() else _PIPED_COLUMNS).print(report.table())
    _console.print(f"figures: {report.save(results)}", highlight=False, soft_wrap=True)
    if write:
        page.rewrite(_PAGE, report.markdown())
        _CHART.write_text(chart.draw(report.rows, MlflowTarget.name), encoding="utf-8")
        _console.print(f"written: {_PAGE}, {_CHART}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.versus_mlflow")
