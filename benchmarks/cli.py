"""The commands: one for each figure, `all` for those that this machine can show, `report` for the page."""

import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from benchmarks import cores, machine, outcome, publication
from benchmarks.cores import Cores
from benchmarks.figures import FIGURES
from benchmarks.figures.figure import Figure, NotHere
from benchmarks.outcome import RESULTS, Report
from benchmarks.page import MarkersMissing
from benchmarks.peers import line_up
from benchmarks.plan import QUICK, Pace, Plan
from benchmarks.process import StartFailed
from benchmarks.publication import QuickResult
from benchmarks.subject import CACHE
from demo.errors import WeightsUnavailable

_PIPED_COLUMNS, _SHOWN = 160, 10
_QUICK_RESULTS = CACHE / "quick"

_console = Console(stderr=True)

app = typer.Typer(
    help="Measure Savor on this machine. The figures are kept as JSON; `report` writes docs/performance.md of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True)
class _Options:
    pace: Pace
    repeats: int
    seed: int
    cores: Cores
    quick: bool
    results: Path

    def plan(self, scratch: Path, said: Callable[[str], None]) -> Plan:
        return Plan(self.pace, self.repeats, self.seed, self.cores, self.quick, scratch, said)


@app.callback()
def options(
    context: typer.Context,
    duration_s: Annotated[float, typer.Option("--duration", min=0.1, max=300, help="Measured seconds of a run.")] = 5,
    warm_up_s: Annotated[float, typer.Option("--warm-up", min=0, max=60, help="Seconds of load before them.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, max=20, help="Runs of everything; the median counts.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the order of the texts.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads, and pinned cores, of each server.")] = 1,
    pin: Annotated[bool, typer.Option(help="Keep the servers and the load on cores of their own.")] = True,
    quick: Annotated[bool, typer.Option("--quick", help="One short run of each: a test, not a measurement.")] = False,
    results: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder of the figures. Default: benchmarks/results.")
    ] = None,
) -> None:
    """Measure Savor on this machine."""
    pace = QUICK if quick else Pace(warm_up_s, duration_s)
    placed = cores.divide(threads, pinned=pin)
    folder = results or (_QUICK_RESULTS if quick else RESULTS)
    context.obj = _Options(pace, 1 if quick else repeats, seed, placed, quick, folder)


def _register(figure: Figure) -> None:
    if figure.name != "peers":

        @app.command(figure.name, help=f"{figure.title}.")
        def command(context: typer.Context) -> None:
            _measure(figure, context.obj)


@app.command()
def peers(
    context: typer.Context,
    setup: Annotated[bool, typer.Option("--setup", help="Only make the peers' environments, in .cache/peers.")] = False,
) -> None:
    """Against the peers, as far as their environments were made."""
    if setup:
        _set_up()
    else:
        _measure(next(figure for figure in FIGURES if figure.name == "peers"), context.obj)


def _set_up() -> None:
    reasons = line_up.set_up(lambda words: _console.print(words, highlight=False, markup=False, soft_wrap=True))
    for peer in line_up.PEERS:
        _console.print(f"{peer.name}: {reasons.get(peer.name, 'ready')}", highlight=False, markup=False)
    if reasons:
        raise typer.Exit(1)


@app.command("all")
def measure_all(context: typer.Context) -> None:
    """All figures, one after another, then the page. What this machine can't show is left out, and why."""
    chosen: _Options = context.obj
    failed = []
    for figure in FIGURES:
        # In a process of its own: what one does to itself, such as leaving the network, is no other's.
        command = [sys.executable, "-m", "benchmarks", *_arguments(chosen), figure.name]
        if subprocess.run(command, check=False).returncode:
            failed.append(figure.name)
    bars(context)
    if not chosen.quick:
        report(context)
    if failed:
        _fail(f"failed: {', '.join(failed)}")


def _arguments(chosen: _Options) -> list[str]:
    return [*chosen.plan(Path(), print).arguments().split(), "--results", str(chosen.results)]


@app.command()
def bars(context: typer.Context) -> None:
    """The bars that Savor is held to, beside the figures that were kept."""
    _screen().print(publication.screen(publication.bars_of(_kept(context.obj))))


@app.command()
def report(context: typer.Context) -> None:
    """Write the sections, charts and bars of docs/performance.md from the figures that were kept."""
    try:
        for file in publication.publish(_kept(context.obj), {figure.name: figure.title for figure in FIGURES}):
            _console.print(f"written: {file}", highlight=False, soft_wrap=True)
    except (QuickResult, MarkersMissing) as reason:
        _fail(str(reason))


def _kept(chosen: _Options) -> list[Report]:
    return [found for figure in FIGURES if (found := outcome.read(figure.name, chosen.results))]


def _screen() -> Console:
    return Console(width=None if sys.stdout.isatty() else _PIPED_COLUMNS)


def _measure(figure: Figure, chosen: _Options) -> None:
    cores.pin(chosen.cores.load)
    # As Ctrl-C: the servers, which have sessions of their own, are ended too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="savor-benchmark-") as scratch,
            _console.status(figure.title, refresh_per_second=1) as status,
        ):
            plan = chosen.plan(Path(scratch), _sayer(figure, status))
            found = Report(
                figure.name, _command(figure, plan), _facts(plan), plan.quick, asyncio.run(figure.measure(plan))
            )
    except NotHere as reason:
        _console.print(f"{figure.title}: left out: {reason}", highlight=False, markup=False, soft_wrap=True)
        return
    except (StartFailed, WeightsUnavailable) as failure:
        _fail(str(failure))
    publication.show(found, _screen())
    _console.print(f"figures: {found.save(chosen.results)}", highlight=False, soft_wrap=True)
    if wrong := found.outcome.problems:
        _fail("\n".join([f"{len(wrong)} calls failed or were wrong:", *wrong[:_SHOWN]]))


def _sayer(figure: Figure, status: Status) -> Callable[[str], None]:
    # Drawn seldom, or as lines where nobody watches: the load has one core, and it is for the load.
    if _console.is_terminal:
        return lambda words: status.update(f"{figure.title}: {words} …")
    return lambda words: _console.print(f"{figure.name}: {words}", highlight=False, markup=False, soft_wrap=True)


def _command(figure: Figure, plan: Plan) -> str:
    """The command that repeats this run."""
    return f"python -m benchmarks {plan.arguments()} {figure.name}"


def _facts(plan: Plan) -> dict[str, str]:
    runs = f"{plan.repeats} of {plan.pace.duration_s:g} s each after {plan.pace.warm_up_s:g} s, seed {plan.seed}"
    return {**machine.describe(), "cores": str(plan.cores), "runs": runs}


def _fail(reason: str) -> NoReturn:
    _console.print(f"[bold red]error:[/] {escape(reason)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)


for _figure in FIGURES:
    _register(_figure)
