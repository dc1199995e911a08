"""`savor tune`: every way of running a model on this machine, measured, and the fastest that is exact enough."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal
from rich.table import Column, Table
from rich.text import Text

from savor.server.cli import model_table
from savor.server.cli.failures import NotNow, Unusable, reporting
from savor.server.cli.json_lines import print_line
from savor.server.cli.progress import telling
from savor.server.cli.screen import Screen, open_screen, plain, seconds, table
from savor.server.cli.workbench import trusting, workbench

if TYPE_CHECKING:
    from savor.accel.tuning import Candidate
    from savor.server.tuning import Measured

_COLUMNS = ("items/s", "tokens/s", "one alone", "difference", "equal", "memory")


@dataclass(frozen=True)
class TuneRequest:
    """The command's flags, as they were typed."""

    model: str
    tolerance: float | None
    texts: Path | None
    seconds: float
    device: str | None
    config: Path | None
    allow: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What came of a candidate: what was measured, or why nothing was."""

    candidate: "Candidate"
    measured: "Measured | None"
    why: str = ""

    @property
    def difference(self) -> float:
        """The largest from the eager model in float32."""
        return float(self.measured.report.get("largest_difference", 0.0)) if self.measured else 0.0

    @property
    def agreement(self) -> float:
        """The share of equal labels and tokens."""
        return float(self.measured.report.get("agreement", 1.0)) if self.measured else 0.0


def run(request: TuneRequest, tracking_uri: str | None, *, as_json: bool) -> None:
    """Measures a model in every way and prints what was found. Exits with 1 where it can't be measured at all."""
    screen = open_screen()
    with workbench(tracking_uri) as mlflow_settings:
        texts = _texts(request.texts)
        given = _settings(request, tracking_uri)
        with telling(screen) as said:
            from savor.accel import tuning
            from savor.server.resolve import resolve

            said("fetching the model")
            folder = str(resolve(request.model, mlflow_settings).path)
            ways = tuning.candidates(gpu=_on_gpu(request.device))
            outcomes: list[Outcome] = []
            for way in ways:
                said(f"measuring {way.name} ({len(outcomes) + 1} of {len(ways)})")
                outcomes.append(_outcome(way, {**given, "uri": folder}, texts, request.seconds))
        if not any(outcome.measured for outcome in outcomes):
            raise NotNow(f"{request.model} runs in no way: {outcomes[0].why}")
    winner = _winner(outcomes, request.tolerance)
    _report(screen, outcomes, winner, as_json=as_json)
    if winner is not None:
        with reporting(""):
            _write(screen, request, winner.candidate)


def _texts(file: Path | None) -> Sequence[str]:
    if file is None:
        return ()
    try:
        texts = [text for text in file.read_text(encoding="utf-8").splitlines() if text.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise Unusable(f"--texts {file} can't be read: {error}") from error
    if not texts:
        raise Unusable(f"--texts {file} holds no text: it takes one a line")
    return texts


def _settings(request: TuneRequest, tracking_uri: str | None) -> dict[str, Any]:
    """The model's settings that all candidates share. Raises Unusable."""
    from savor.server.settings import SettingsError, read_settings

    trust = {name: value for name, value in vars(trusting(request.allow)).items() if value}
    given = {**trust, **({"device": request.device} if request.device else {})}
    try:
        read_settings(None, {"models": [{"uri": request.model, **given}]})
    except SettingsError as error:
        raise Unusable(str(error).replace("models.0.", "--")) from error
    return given


def _on_gpu(device: str | None) -> bool:
    import torch

    return device != "cpu" and torch.cuda.is_available()


def _outcome(way: "Candidate", model: Mapping[str, Any], texts: Sequence[str], seconds: float) -> Outcome:
    from savor.server.tuning import NotMeasured, Work, apart

    if way.missing:
        return Outcome(way, None, way.missing)
    chosen = {"accel": way.accel.value, "precision": way.precision}
    provider = {"provider": way.provider} if way.provider else {}
    try:
        return Outcome(way, apart(Work({"models": [{**model, **chosen, **provider}]}, texts, seconds)))
    except NotMeasured as why:
        return Outcome(way, None, str(why))


def _winner(outcomes: Sequence[Outcome], tolerance: float | None) -> Outcome | None:
    """The one with the most items a second of those within the tolerance, theirs or the one given."""
    exact = [outcome for outcome in outcomes if outcome.measured and _within(outcome, tolerance)]
    return max(exact, key=lambda outcome: outcome.measured.items_per_s if outcome.measured else 0.0, default=None)


def _within(outcome: Outcome, tolerance: float | None) -> bool:
    from savor.accel.precision import PRECISIONS

    own = PRECISIONS[outcome.candidate.precision].tolerance
    allowed = own.difference if tolerance is None else tolerance
    return outcome.difference <= allowed and outcome.agreement >= own.agreement


def _report(screen: Screen, outcomes: Sequence[Outcome], winner: Outcome | None, *, as_json: bool) -> None:
    if as_json:
        for outcome in outcomes:
            print_line(_record(outcome, chosen=outcome is winner))
        return
    screen.out.print(_table(outcomes, winner))
    for outcome in outcomes:
        if outcome.why:
            screen.note(f"{outcome.candidate.name} was not measured: {outcome.why}")


def _table(outcomes: Sequence[Outcome], winner: Outcome | None) -> Table:
    rows = table("accel", "precision", *(Column(name, justify="right") for name in _COLUMNS), "")
    for outcome in outcomes:
        way = outcome.candidate
        name = " ".join(filter(None, (way.accel.value, way.provider)))
        style = "bold green" if outcome is winner else ""
        mark = "fastest within the tolerance" if outcome is winner else "not measured" if outcome.why else ""
        rows.add_row(plain(name, style), plain(way.precision, style), *_cells(outcome), plain(mark, style))
    return rows


def _cells(outcome: Outcome) -> Iterator[Text]:
    measured = outcome.measured
    if measured is None:
        yield from (plain("") for _ in _COLUMNS)
        return
    yield plain(f"{measured.items_per_s:.1f}")
    yield plain(f"{measured.tokens_per_s:.0f}" if measured.tokens_per_s else "")
    yield plain(seconds(measured.alone_s))
    yield plain(f"{outcome.difference:.1e}" if measured.report else "")
    yield plain(f"{outcome.agreement:.1%}" if measured.report else "")
    yield plain(decimal(measured.memory_bytes))


def _record(outcome: Outcome, *, chosen: bool) -> dict[str, Any]:
    way, measured = outcome.candidate, outcome.measured
    told = {"accel": way.accel.value, "precision": way.precision, "provider": way.provider, "chosen": chosen}
    if measured is None:
        return {**told, "not_measured": outcome.why}
    return {**told, **vars(measured), "difference": outcome.difference, "agreement": outcome.agreement}


def _write(screen: Screen, request: TuneRequest, way: "Candidate") -> None:
    values = {
        "accel": way.accel.value,
        "precision": way.precision,
        **({"provider": way.provider} if way.provider else {}),
    }
    lines = [f'{name} = "{value}"' for name, value in values.items()]
    if request.config is None:
        screen.note("\n".join(["in the model's table of savor.toml:", *lines]), "")
        return
    try:
        model_table.write(request.config, request.model, values)
    except model_table.NotWritten as error:
        raise NotNow("\n".join([f"{error}: put these lines there yourself", *lines])) from error
    screen.note(f"{', '.join(lines)} are in {request.config} now")
