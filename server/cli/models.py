"""`savor models`: what a server serves as a table, and one model with everything that ModelService tells of it."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from savor.client import Model, ModelParameter, ModelState
from savor.server.cli.failures import connected
from savor.server.cli.json_lines import print_line, to_json
from savor.server.cli.screen import Screen, line, open_screen, plain, table
from savor.server.cli.signature import signature_lines

_VERSION_WIDTH = 9
_STATES = {ModelState.READY: "green", ModelState.LOADING: "yellow"}


def run(model: str | None, server: str, timeout_s: float, *, as_json: bool) -> None:
    """Prints every model, or all of one. Raises typer.Exit where that fails."""
    screen = open_screen()
    with connected(server, timeout_s) as client:
        models = client.list_models().models if model is None else (client.get_model(model).model,)
    if as_json:
        for each in models:
            print_line(each)
    else:
        screen.out.print(_list(screen, models) if model is None else _detail(models[0]))


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
    rows = Table.grid(Column(style="dim", no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for name, value in _facts(model):
        rows.add_row(name, value if isinstance(value, Text) else plain(value))
    return Group(rows, Text(), _parameters(model.parameters)) if model.parameters else rows


def _facts(model: Model) -> Iterator[tuple[str, str | Text]]:
    """What is known of a model, in the order of what callers ask first; what is not known is left out."""
    facts: list[tuple[str, str | Text]] = [
        ("name", line(model.name, "bold")),
        ("state", _state(model)),
        ("version", model.version),
        ("aliases", ", ".join(model.aliases)),
        ("task", model.task),
        ("family", model.family),
        ("RPCs", "\n".join(model.methods)),
        ("loaded from", model.uri),
        ("saved by", _saved_by(model)),
        ("runs on", _engine(model)),
        ("not compiled", model.backend.not_compiled_reason if model.backend else ""),
        ("limits", _limits(model)),
        *((f"signature {part}", text) for part, text in signature_lines(model.signature_json)),
        ("template", model.prompt_template),
        ("model_config", "\n".join(f"{key} = {to_json(value)}" for key, value in model.model_config.items())),
        ("other parameters", model.unknown_parameters),
    ]
    return ((name, value) for name, value in facts if value)


def _parameters(parameters: Iterable[ModelParameter]) -> Table:
    rows = table("parameter", "type", "default")
    for parameter in parameters:
        rows.add_row(plain(parameter.name), plain(parameter.type), plain(to_json(parameter.default_value)))
    return rows


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
            f"{limits.max_audio_s:,g} s in a recording",
        )
    )


def _selectors(model: Model) -> list[str]:
    return [model.version, *(f"@{alias}" for alias in model.aliases)]


def _rpcs(model: Model) -> list[str]:
    return ["  " + path.rpartition("/")[2] for path in model.methods]


def _engine(model: Model) -> str:
    backend = model.backend
    return f"{backend.name} {backend.device} {backend.dtype}" if backend else ""


def _state(model: Model) -> Text:
    return Text(str(model.state or "unknown"), _STATES.get(model.state or ModelState.LOADING, ""))


def _saved_by(model: Model) -> str:
    saved = {"MLflow": model.mlflow_version, "transformers": model.transformers_version}
    return ", ".join(f"{name} {version}" for name, version in saved.items() if version)
