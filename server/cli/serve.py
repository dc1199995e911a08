"""`savor serve`: settings from every source, logging, and the server's life; an error ends it with one clear line."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from savor.accel.threads import available
from savor.server.cli.screen import fail
from savor.server.config import Settings
from savor.server.settings import SettingsError, read_settings


def run(models: Sequence[str], shared: Mapping[str, Any], config: Path | None, flags: Mapping[str, Any]) -> None:
    """Serves until a signal comes; `shared` are settings of all models that are named here.

    Exits with 2 for settings that can't be used, with 1 for a model that can't.
    """
    named = [_model(text) | {key: value for key, value in shared.items() if value is not None} for text in models]
    try:
        settings = read_settings(config, {**flags, "models": named or None})
    except SettingsError as error:
        fail(str(error), 2)
    if not settings.models:
        fail("no models: name at least one, or list them in a --config file", 2)
    _log_to_stderr(settings.log_level)
    prepare_process(settings)
    _serve(settings)


def _model(text: str) -> dict[str, Any]:
    """The settings of a MODEL argument, `[NAME=]URI`."""
    name, equals, uri = text.partition("=")
    # A path or URI may hold an equals sign itself; a name has no slash.
    return {"uri": uri, "name": name} if equals and "/" not in name else {"uri": text}


def _serve(settings: Settings) -> None:
    # Only now: these load torch, transformers and mlflow, which takes seconds.
    import uvloop

    from savor.flavor.errors import LoadRefused
    from savor.server.app import serve
    from savor.server.tracing import TracingUnavailable

    try:
        uvloop.run(serve(settings, lambda port: _announce(settings, port)))
    except (LoadRefused, OSError, TracingUnavailable) as error:
        fail(str(error), 1)


def _announce(settings: Settings, port: int) -> None:
    target = f"{settings.server.host}:{port}"
    Console(stderr=True).print(
        f"[bold green]ready[/] on {target}: try [bold]savor models -s {target}[/]", highlight=False
    )


def prepare_process(settings: Settings) -> None:
    """What must be said before torch and transformers are imported: threads, and that no hub is contacted."""
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads or available()))
    if "OMP_WAIT_POLICY" not in os.environ:
        # By itself OpenMP spins for milliseconds after each piece of work, on CPUs that all else needs. A moment is
        # enough for the next piece of the same batch to find its threads awake.
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if not any(model.allow_hub for model in settings.models):
        os.environ["HF_HUB_OFFLINE"] = "1"


def _log_to_stderr(level: str) -> None:
    handler = RichHandler(console=Console(stderr=True), show_path=False, rich_tracebacks=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", datefmt="[%X]", handlers=[handler])
    logging.getLogger("savor").setLevel(level.upper())
