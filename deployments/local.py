"""`run_local`: `savor serve` for one model as a process of its own, in the foreground, until Ctrl-C."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow.exceptions import MlflowException

from savor.deployments.failures import unusable

_FLAGS = ("host", "port", "device", "log_level", "config")
_FLAVORS = (None, "transformers", "python_function")


def run_local(name: str, model_uri: str, flavor: str | None = None, config: Mapping[str, Any] | None = None) -> None:
    """Serves the model under `name` until the process ends. `config` holds flags of `savor serve`: see `target_help`.

    MLflow's tracking and registry URIs are those of this process. Raises MlflowException for what `savor serve` does
    not take, and where it fails; it says why on stderr.
    """
    with subprocess.Popen(_command(name, model_uri, flavor, config or {})) as server:
        try:
            status = server.wait()
        except KeyboardInterrupt:
            # The signal went to the server too, which drains.
            status = server.wait()
    if status:
        raise MlflowException(f"savor serve ended with status {status}: see what it said above")


def _command(name: str, model_uri: str, flavor: str | None, config: Mapping[str, Any]) -> Sequence[str]:
    if not name or "=" in name or "/" in name:
        raise unusable(f"{name!r} can't be a model's name: it must not be empty, nor hold / or =")
    if flavor not in _FLAVORS:
        raise unusable(f"the flavor {flavor!r} is not served; Savor serves transformers")
    for unknown in config.keys() - set(_FLAGS):
        raise unusable(f"config: {unknown} is not known; use {', '.join(_FLAGS)}")
    flags = [word for flag, value in config.items() for word in (f"--{flag.replace('_', '-')}", str(value))]
    return [sys.executable, "-m", "savor.server", "serve", *flags, f"{name}={model_uri}"]
