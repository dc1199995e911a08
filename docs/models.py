"""The examples' models as saved models: real weights saved through MLflow anew, random ones of the test suite."""

from pathlib import Path

from demo.weights import fetch
from docs.examples import Model
from tests import tiny_models


def saved(model: Model, folder: Path) -> Path:
    """The model's folder, below `folder` where it has to be made."""
    if not model.weights:
        return tiny_models.saved(model.tiny)
    arguments = {"task": model.task, "model_config": dict(model.config)}
    return tiny_models.save(str(fetch(model.weights)), folder / model.name, **arguments)
