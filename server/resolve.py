"""From what the operator names to a folder on this host: local paths, runs, registered models, any artifact store.

`models:/name@alias` is resolved once, at start: the version it points to then is the version served.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from savor.flavor.errors import LoadRefused
from savor.server.config import MlflowSettings

_LOCAL_STORES = ("mlflow.db", "mlruns")
"""Where MLflow keeps runs and models when no tracking URI is given."""


@dataclass(frozen=True)
class Source:
    """A saved model on this host, and what the registry calls it. `version` is empty outside the registry."""

    path: Path
    name: str
    version: str = ""
    aliases: tuple[str, ...] = ()


def resolve(uri: str, settings: MlflowSettings) -> Source:
    """Fetches a model where it is not local. Raises LoadRefused where MLflow finds no such model."""
    local = Path(uri)
    if local.is_dir():
        return Source(local.resolve(), local.resolve().name)
    if not urlsplit(uri).scheme:
        raise LoadRefused(f"there is no folder {uri}; models are named by folder, runs:/… or models:/…")
    try:
        if uri.startswith(("models:/", "runs:/")):
            _check_store(settings)
            use(settings)
        return (
            _registered(uri) if uri.startswith("models:/") else Source(_fetch(uri), uri.rstrip("/").rsplit("/", 1)[-1])
        )
    except LoadRefused:
        raise
    except Exception as error:
        # Artifact stores raise errors of their own: requests, botocore, OSError and MLflow's.
        raise LoadRefused(f"MLflow can't fetch {uri}: {error}") from error


def use(settings: MlflowSettings) -> None:
    """Makes the settings' tracking server and registry those of this process; MLflow knows one of each."""
    import mlflow

    if settings.tracking_uri:
        mlflow.set_tracking_uri(settings.tracking_uri)
    if settings.registry_uri:
        mlflow.set_registry_uri(settings.registry_uri)


def _check_store(settings: MlflowSettings) -> None:
    named = settings.tracking_uri or settings.registry_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not named and not any(map(Path.exists, map(Path, _LOCAL_STORES))):
        # MLflow would make an empty store in the working directory and then find nothing in it.
        raise LoadRefused("no tracking URI: give --tracking-uri, or set mlflow.tracking_uri or MLFLOW_TRACKING_URI")


def _registered(uri: str) -> Source:
    """A model of the registry, or a logged model that `models:/<model id>` names."""
    from mlflow import MlflowClient

    rest = uri.removeprefix("models:/").strip("/")
    name, at, alias = rest.partition("@")
    if at:
        version = str(MlflowClient().get_model_version_by_alias(name, alias).version)
    else:
        name, _, version = rest.partition("/")
    if not version:
        return Source(_fetch(uri), name)
    if version == "latest":
        found = MlflowClient().search_model_versions(f"name='{name}'", order_by=["version_number DESC"], max_results=1)
        version = str(found[0].version) if found else version
    aliases = tuple(MlflowClient().get_model_version(name, version).aliases)
    return Source(_fetch(f"models:/{name}/{version}"), name, version, aliases)


def _fetch(uri: str) -> Path:
    import mlflow.artifacts

    return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri)).resolve()
