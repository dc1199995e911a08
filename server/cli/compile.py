"""`savor compile`: a model's verified graphs, made now or found, and what the verification saw."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.text import Text

from savor.server.cli.facts import Fact, sheet
from savor.server.cli.failures import NotNow, Unusable
from savor.server.cli.json_lines import print_line
from savor.server.cli.progress import telling
from savor.server.cli.report import report_table
from savor.server.cli.screen import Screen, open_screen, plain, seconds
from savor.server.cli.workbench import trusting, workbench

if TYPE_CHECKING:
    from savor.accel.report import Report
    from savor.server.compilation import Compiled
    from savor.server.config import ModelSettings, Settings

_FOUND = {"attached": "attached to the model already", "cached": "in the cache already"}


@dataclass(frozen=True)
class CompileRequest:
    """The command's flags, as they were typed."""

    model: str
    precision: str | None
    device: str | None
    provider: str | None
    allow: Sequence[str]
    out: Path | None
    attach: bool


def run(request: CompileRequest, tracking_uri: str | None, *, as_json: bool) -> None:
    """Compiles a model and prints the report. Exits with 1 where it can't be compiled or is not verified."""
    screen = open_screen()
    with workbench(tracking_uri), telling(screen) as said:
        from savor.server.compilation import NotVerified, compile_model

        _check_out(request.out)
        model, settings = settings_of(request, tracking_uri)
        try:
            compiled = compile_model(model, settings, said)
        except NotVerified as error:
            if not as_json:
                screen.notes.print(report_table(error.report))
            raise NotNow(str(error)) from error
        places = _stored(request, compiled, said)
    if as_json:
        print_line({"model": request.model, **_record(compiled), **places})
        return
    screen.out.print(_shown(request.model, compiled, places))
    _advise(screen, request, compiled)


def settings_of(request: CompileRequest, tracking_uri: str | None) -> tuple["ModelSettings", "Settings"]:
    """The settings of a server that would serve the model so. Raises Unusable."""
    from savor.server.settings import SettingsError, read_settings

    trust = {name: value for name, value in vars(trusting(request.allow)).items() if value}
    given = {name: getattr(request, name) for name in ("precision", "device", "provider")}
    model = {"uri": request.model, "accel": "onnx", **trust, **{key: value for key, value in given.items() if value}}
    try:
        settings = read_settings(None, {"mlflow": {"tracking_uri": tracking_uri}, "models": [model]})
    except SettingsError as error:
        raise Unusable(str(error).replace("models.0.", "--")) from error
    return settings.models[0], settings


def _check_out(out: Path | None) -> None:
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Unusable(f"--out {out}: there is something already: name a folder that is empty or not there")


def _stored(request: CompileRequest, compiled: "Compiled", said: Any) -> dict[str, str]:
    """Puts the graphs where the flags say, and tells where that is."""
    from savor.server.attaching import attach

    places = {}
    if request.out is not None:
        try:
            shutil.copytree(compiled.entry.folder, request.out, dirs_exist_ok=True)
        except OSError as error:
            raise NotNow(f"--out {request.out} can't be written: {error.strerror or error}") from error
        places["copied to"] = str(request.out)
    if request.attach and compiled.found != "attached":
        places["attached to"] = attach(request.model, compiled.source, compiled.entry, said)
    return places


def _shown(uri: str, compiled: "Compiled", places: dict[str, str]) -> RenderableType:
    return Group(report_table(compiled.report), Text(), sheet([("model", uri), *_facts(compiled), *places.items()], ()))


def _facts(compiled: "Compiled") -> Iterator[Fact]:
    report, manifest = compiled.report, compiled.entry.manifest
    yield "verdict", plain("verified", "green")
    yield "largest difference", f"{report.largest_difference:.2g} of the largest number, {_allowed(report)}"
    yield "mean difference", f"{report.mean_difference:.2g}"
    yield "equal decisions", f"{report.agreement:.1%}, {report.tolerance.agreement:.0%} are asked"
    yield "exported as", f"{manifest['task']}, {manifest['precision']}, for {manifest['provider']}"
    yield "size", decimal(compiled.entry.size_bytes)
    yield "made", _FOUND.get(compiled.found, f"now, in {seconds(compiled.seconds)}")
    yield "key", compiled.entry.key
    yield "folder", str(compiled.entry.folder)


def _allowed(report: "Report") -> str:
    return f"{report.tolerance.difference:g} is allowed"


def _record(compiled: "Compiled") -> dict[str, Any]:
    manifest = compiled.entry.manifest
    return {
        "key": compiled.entry.key,
        "found": compiled.found or "made",
        "seconds": compiled.seconds,
        "folder": str(compiled.entry.folder),
        "size_bytes": compiled.entry.size_bytes,
        **{name: manifest[name] for name in ("task", "precision", "provider", "versions")},
        "report": compiled.report.to_dict(),
    }


def _advise(screen: Screen, request: CompileRequest, compiled: "Compiled") -> None:
    if request.attach and compiled.found == "attached":
        screen.note("it is attached to the model already: nothing to store")
    flags = f" --precision {request.precision}" if request.precision else ""
    screen.note(f"savor serve {request.model} --accel onnx{flags} serves it")
