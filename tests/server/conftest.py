"""An MLflow registry of its own, in a file, with two versions of a tiny model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from savor.server.config import MlflowSettings
from tests import tiny_models, tiny_pipelines

NAME = "tiny"


@dataclass(frozen=True)
class Registry:
    """Where it is, and what was logged: a run's and a logged model's id, and the folders that versions came from."""

    uri: str
    run_id: str
    model_id: str

    @property
    def settings(self) -> MlflowSettings:
        """MLflow's settings of a server that uses it."""
        return MlflowSettings(tracking_uri=self.uri)


@pytest.fixture(scope="package")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Versions 1 (a classifier, alias `old`) and 2 (an encoder, aliases `champion` and `newest`)."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    experiment_id = mlflow.create_experiment("tiny", artifact_location=(folder / "artifacts").as_uri())
    client = MlflowClient()
    with mlflow.start_run(experiment_id=experiment_id) as run:
        info = mlflow.transformers.log_model(
            tiny_pipelines.classifier(), name="model", pip_requirements=["transformers"], registered_model_name=NAME
        )
    encoder: Path = tiny_models.saved("encoder")
    client.create_model_version(NAME, encoder.as_uri())
    for alias, version in (("old", "1"), ("champion", "2"), ("newest", "2")):
        client.set_registered_model_alias(NAME, alias, version)
    yield Registry(uri, run.info.run_id, info.model_id)
    # MLflow keeps it for the whole process, and in the environment of those that it starts.
    mlflow.set_tracking_uri("")
