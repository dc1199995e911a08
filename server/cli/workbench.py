"""What commands share that run MLflow in this process: settings, trust, quiet libraries and one clear line of failure.

Libraries' noise goes to stderr, and no hub is contacted unless the command is for that.
"""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from savor.server.cli.failures import NotNow, Unusable, reporting

if TYPE_CHECKING:
    from savor.flavor.trust import Trust
    from savor.server.config import MlflowSettings

_LIBRARIES = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
_TOLD = "mlflow.transformers.signature"
"""Where MLflow says why an input example was not understood, which nobody else says."""


@contextlib.contextmanager
def workbench(tracking_uri: str | None, *, hub: bool = False) -> Iterator["MlflowSettings"]:
    """MLflow's settings, for work on models of this host. Failures within end the command with a message."""
    with reporting(""), _explaining():
        settings = _settings(tracking_uri)
        with _quiet(hub=hub):
            yield settings


def trusting(allowed: Sequence[str]) -> "Trust":
    """The trust of `--allow` flags, which name switches without `allow_`. Raises Unusable."""
    from savor.flavor.trust import Trust, switches

    names = [f"allow_{name.removeprefix('allow_').replace('-', '_')}" for name in allowed]
    if unknown := sorted(set(names) - set(switches())):
        known = ", ".join(name.removeprefix("allow_") for name in switches())
        raise Unusable(f"--allow {unknown[0].removeprefix('allow_')}: there is no such switch, but {known}")
    return Trust(**dict.fromkeys(names, True))


def _settings(tracking_uri: str | None) -> "MlflowSettings":
    from savor.server.settings import read_settings

    return read_settings(None, {"mlflow": {"tracking_uri": tracking_uri}}).mlflow


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    from savor.flavor.checkpoint import Unloggable
    from savor.flavor.errors import LoadRefused
    from savor.server.settings import SettingsError

    try:
        yield
    except (Unloggable, SettingsError) as error:
        raise Unusable(str(error)) from error
    except LoadRefused as error:
        raise NotNow(str(error)) from error


@contextlib.contextmanager
def _quiet(*, hub: bool) -> Iterator[None]:
    for name, value in _LIBRARIES.items():
        os.environ.setdefault(name, value)
    if not hub:
        os.environ["HF_HUB_OFFLINE"] = "1"
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow  # noqa: F401  # Only now: it sets up its own logging as it is loaded.

        logging.getLogger("alembic").setLevel(logging.ERROR)
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger(_TOLD).setLevel(logging.WARNING)
        yield
