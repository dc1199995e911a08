"""A compiled model to where a saved model's files are, through MLflow's artifact repositories: folders are one kind.

The manifest is written last: who fetches the model meanwhile sees one without, and leaves it alone.
"""

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from savor.accel import attachment
from savor.accel.entry import MANIFEST, Entry
from savor.flavor.checkpoint import first_line
from savor.flavor.errors import LoadRefused
from savor.server.resolve import Source


def attach(uri: str, source: Source, entry: Entry, said: Callable[[str], None]) -> str:
    """Stores a compiled model with the saved model that it was made of, and gives its place there.

    Raises LoadRefused where the store takes nothing, and Damaged for an entry that is not what was written.
    """
    place = _place(uri, source)
    below = attachment.place_of(entry.key)
    files = [*entry.manifest["files"], MANIFEST]
    try:
        repository = _repository(place)
        for name in files:
            said(f"storing {name} with the model")
            parent = PurePosixPath(below, name).parent
            repository.log_artifact(str(entry.folder / name), str(parent))
    except Exception as error:
        # Artifact stores raise errors of their own: requests, botocore, OSError and MLflow's.
        why = f"{type(error).__name__}: {first_line(error)}"
        raise LoadRefused(f"the store of {uri} does not take the compiled model: {why}") from error
    return f"{place.rstrip('/')}/{below}"


def _place(uri: str, source: Source) -> str:
    """Where the model's files are: MLflow writes to no `models:/NAME/VERSION`, but to what that version was made of."""
    from mlflow import MlflowClient

    if source.version:
        return str(MlflowClient().get_model_version_download_uri(source.name, source.version))
    if uri.startswith("runs:/") and (logged := _logged_model(source.path)):
        # Since MLflow 3 a run only refers to it.
        return f"models:/{logged}"
    return str(source.path) if Path(uri).is_dir() else uri


def _logged_model(folder: Path) -> str:
    from mlflow.models import Model

    return str(Model.load(str(folder)).model_id or "")


def _repository(place: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(place)
