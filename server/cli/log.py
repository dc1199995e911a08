"""`savor log`: a checkpoint to MLflow, and what Savor will serve of it."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savor.server.cli.failures import NotNow, Unusable
from savor.server.cli.inspect import show
from savor.server.cli.workbench import workbench

_JSON_BEGINS = ("{", "[", '"')
_TEXTS = (".txt", ".md")


@dataclass(frozen=True)
class LogRequest:
    """The command's flags, as they were typed."""

    source: str
    task: str
    name: str | None
    alias: str | None
    experiment: str | None
    base_model: str | None
    prompt_template: str | None
    model_config: str | None
    params: str | None
    input_example: str | None
    dtype: str | None


def run(request: LogRequest, tracking_uri: str | None, *, as_json: bool) -> None:
    """Logs a model and prints what will be served. Raises typer.Exit where that fails."""
    with workbench(tracking_uri) as settings:
        from savor.flavor import saved
        from savor.flavor.description import describe
        from savor.server.registration import Registration, RegistrationFailed, register
        from savor.server.resolve import resolve

        wanted = Registration(**{**vars(request), **_read(request)})
        try:
            registered = register(wanted, settings)
        except RegistrationFailed as error:
            raise NotNow(str(error)) from error
        described = describe(saved.read(resolve(registered.uri, settings).path))
    serve = f"savor serve {shlex.quote(registered.uri)}"
    if tracking_uri:
        serve += f" --tracking-uri {shlex.quote(tracking_uri)}"
    facts = [("version", registered.version), ("alias", registered.alias), ("run", registered.run_id)]
    show(registered.uri, described, [*facts, ("serve it", serve)], as_json=as_json)


def _read(request: LogRequest) -> dict[str, Any]:
    """The values of the flags that hold more than a text."""
    return {
        "model_config": _object(request.model_config, "--model-config"),
        "params": _object(request.params, "--params"),
        "input_example": _example(request.input_example),
    }


def _object(text: str | None, flag: str) -> Mapping[str, Any]:
    value = _json(text, flag) if text is not None else {}
    if not isinstance(value, dict):
        raise Unusable(f"{flag} takes a JSON object, such as '{{\"max_new_tokens\": 64}}'")
    return value


def _example(given: str | None) -> Any:
    """A file's content, a JSON value, or else the text itself."""
    if given is None:
        return None
    file = Path(given)
    if len(given) < 4096 and file.is_file():
        return _content(file)
    return _json(given, "--input-example") if given.startswith(_JSON_BEGINS) else given


def _content(file: Path) -> Any:
    if file.suffix == ".json":
        return _json(file.read_text(), f"--input-example {file}")
    return file.read_text() if file.suffix in _TEXTS else file.read_bytes()


def _json(text: str, flag: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unusable(f"{flag} is not JSON: {error}") from None
