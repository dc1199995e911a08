"""`savor models`: what a server serves as a table, and one model with everything that ModelService tells of it."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Column, Table
from rich.text import Text

from savor.client import Model, ModelState
from savor.server.cli.connection import Connection, connected
from savor.server.cli.facts import Fact, first_line, listed, saved_by, sheet
from savor.server.cli.json_lines import print_line, to_json
from savor.server.cli.report import report_lines
from savor.server.cli.screen import Screen, line, open_screen, plain, table
from savor.server.cli.signature import signature_lines

_VERSION_WIDTH = 9
_STATES = {ModelState.READY: "green", ModelState.LOADING: "yellow"}


def run(model: str | None, connection: Connection, *, detail: bool, as_json: bool) -> None:
    """Prints every model, or all of one, or with `detail` of each. Raises typer.Exit where that fails."""
    screen = open_screen()
    with connected(connection) as client:
        models = client.list_models().models if model is None else (client.get_model(model).model,)
    if as_json:
        for each in models:
            print_line(each)
    elif model is None and not detail:
        screen.out.print(_list(screen, models))
    else:
        for number, each in enumerate(models):
            screen.out.print(*([""] if number else []), _detail(each), sep="\n")


def _list(screen: Screen, models: Iterable[Model]) -> Table:
    # A version may be a hash of 32 characters.
    width = _VERSION_WIDTH if screen.out.is_terminal else None
    version = Column("version", no_wrap=True, overflow="ellipsis", max_width=width)
    name, parameters = (Column(header, overflow="fold") for header in ("name", "parameters"))
    rows = table(name, version, Column("family and RPCs", no_wrap=True), "runs on", "state", parameters)
    for model in models:
        rows.add_row(
            line(model.name, "bold"),
            plain("\n".join(_selectors(model))),
            plain("\n".join((model.family, *_rpcs(model)))),
            plain(_engine(model).replace(" ", "\n")),
            _state(model),
            plain("\n".join(parameter.name for parameter in model.parameters)),
        )
    return rows


def _detail(model: Model) -> RenderableType:
    return sheet(_facts(model), [(each.name, each.type, each.default_value) for each in model.parameters])


def _facts(model: Model) -> Iterator[Fact]:
    """What is known of a model, in the order of what callers ask first."""
    yield "name", line(model.name, "bold")
    yield "state", _state(model)
    yield "warnings", listed(model.warnings)
    yield "version", model.version
    yield "aliases", ", ".join(model.aliases)
    yield "task", model.task
    yield "llm task", model.inference_task
    yield "family", model.family
    yield "RPCs", listed(model.methods)
    yield "loaded from", model.uri
    yield "saved by", saved_by(model.mlflow_version, model.transformers_version)
    yield "runs on", _engine(model)
    if model.backend:
        yield "provider", model.backend.provider
        yield "not compiled", model.backend.not_compiled_reason
        yield "verified", listed(report_lines(model.backend.report)) if model.backend.report else ""
    yield "limits", _limits(model)
    yield from ((f"signature {part}", text) for part, text in signature_lines(model.signature_json))
    yield "template", model.prompt_template
    yield "model_config", listed(f"{key} = {to_json(value)}" for key, value in model.model_config.items())
    yield "other parameters", model.unknown_parameters
    yield "licence", first_line(model.license)
    yield "model card", f"{len(model.model_card):,} characters: --json has it" if model.model_card else ""


def _limits(model: Model) -> str:
    limits: Any = model.limits
    if limits is None:
        return ""
    tokens = f"{limits.max_tokens:,} tokens" if limits.max_tokens else "no limit of tokens"
    return "\n".join(
        (
            f"{limits.max_inputs:,} inputs in a request",
            f"{limits.max_text_chars:,} characters and {tokens} in a text",
            f"{limits.max_new_tokens:,} new tokens in a sequence, {limits.max_sequences:,} sequences or beams",
            f"{limits.max_audio_s:,g} s in a recording, {limits.max_image_pixels:,} pixels in an image",
        )
    )


def _selectors(model: Model) -> list[str]:
    return [model.version, *(f"@{alias}" for alias in model.aliases)]


def _rpcs(model: Model) -> list[str]:
    return ["  " + path.rpartition("/")[2] for path in model.methods]


def _engine(model: Model) -> str:
    backend = model.backend
    return f"{backend.name} {backend.device} {backend.precision}" if backend else ""


def _state(model: Model) -> Text:
    return Text(str(model.state or "unknown"), _STATES.get(model.state or ModelState.LOADING, ""))
