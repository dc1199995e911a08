"""The demo's own MLflow registry: a sqlite file and a folder, with two real models logged and aliased `champion`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.weights import fetch

HOME = Path(".demo")
"""Below the folder that `make demo` runs in, the repository's."""
TRACKING_URI = f"sqlite:///{HOME / 'mlflow.db'}"
ALIAS = "champion"

_LOGGED = HOME / "logged"
"""Written when every model is logged, so that a second run need not ask the registry."""


def ensure_logged(say: Callable[[str], None]) -> None:
    """Logs both models with `mlflow.transformers.log_model` unless an earlier run has."""
    if _LOGGED.exists():
        say("both models are logged already")
        return
    HOME.mkdir(exist_ok=True)
    os.environ["HF_HUB_OFFLINE"] = "1"
    folders = {
        name: fetch(source) for name, source in {"minilm": "all-minilm-l6-v2", "whisper": "whisper-tiny-en"}.items()
    }
    say(f"logging to {TRACKING_URI}")
    _log_models(folders, say)
    _LOGGED.touch()


def _log_models(folders: dict[str, Path], say: Callable[[str], None]) -> None:
    import logging

    import mlflow
    import transformers

    logging.getLogger("mlflow.transformers").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(TRACKING_URI)
    if mlflow.get_experiment_by_name("demo") is None:
        mlflow.create_experiment("demo", artifact_location=(HOME / "artifacts").resolve().as_uri())
    mlflow.set_experiment("demo")
    # A checkpoint folder is logged whole, sentence-transformers settings included; a pipeline by its parts.
    speech = transformers.pipeline("automatic-speech-recognition", model=str(folders["whisper"]))
    for name, source, task in (
        ("minilm", str(folders["minilm"]), "feature-extraction"),
        ("whisper", speech, "automatic-speech-recognition"),
    ):
        _log(name, source, task)
        say(f"logged models:/{name}@{ALIAS}")


def _log(name: str, source: Any, task: str) -> None:
    import mlflow

    logged = mlflow.transformers.log_model(
        source,
        name=name,
        task=task,
        registered_model_name=name,
        model_config={"num_beams": 1, "return_timestamps": False} if name == "whisper" else None,
        pip_requirements=["transformers"],
    )
    mlflow.MlflowClient().set_registered_model_alias(name, ALIAS, logged.registered_model_version)
