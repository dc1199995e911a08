"""Weights for models that only refer to a hub: where they go, and clear words where there is no hub."""

import shutil
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from savor.flavor import saved
from savor.flavor.errors import LoadRefused
from savor.flavor.load import LoadOptions, load
from savor.flavor.trust import Trust
from savor.server.config import MlflowSettings
from savor.server.persistence import persist
from tests import tiny_models, tiny_pipelines
from tests.server.conftest import Registry

TEXTS = ["one text", "another, longer text"]


def _reference(tmp_path: Path, name: str = "", **values: Any) -> Path:
    """A model without weights. The hub that it refers to is a folder, as none can be reached from here."""
    hub = tmp_path / "hub"
    tiny_pipelines.classifier().save_pretrained(hub)

    def edit(words: dict[str, Any]) -> None:
        flavor = words["flavors"]["transformers"]
        del flavor["model_binary"]
        flavor.update(source_model_name=name or str(hub), source_model_revision="0123abc")
        flavor.update(tokenizer_name=name or str(hub), tokenizer_revision="0123abc", **values)

    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", edit)
    shutil.rmtree(folder / "model")
    shutil.rmtree(folder / "components")
    return folder


def test_a_folder_gets_its_weights(tmp_path: Path) -> None:
    folder = _reference(tmp_path)
    persisted = persist(str(folder), Trust(), MlflowSettings())
    assert persisted.place == str(folder)
    assert persisted.uploaded == ("model/", "components/", "MLmodel")
    shutil.rmtree(tmp_path / "hub")
    assert load(saved.read(folder), LoadOptions()).pipeline(TEXTS) == tiny_pipelines.classifier()(TEXTS)


def test_a_model_that_has_them(tmp_path: Path) -> None:
    folder = _reference(tmp_path)
    persist(str(folder), Trust(), MlflowSettings())
    assert persist(str(folder), Trust(), MlflowSettings()).uploaded == ()


def test_a_registered_versions_files_are_written_where_they_are(registry: Registry, tmp_path: Path) -> None:
    """MLflow itself refuses to write to models:/NAME/VERSION."""
    folder = _reference(tmp_path)
    mlflow.set_tracking_uri(registry.uri)
    MlflowClient().create_registered_model("referring")
    version = MlflowClient().create_model_version("referring", folder.as_uri()).version
    MlflowClient().set_registered_model_alias("referring", "best", version)
    with pytest.raises(mlflow.MlflowException, match="not supported for models:/"):
        mlflow.transformers.persist_pretrained_model(f"models:/referring/{version}")
    persisted = persist("models:/referring@best", Trust(), registry.settings)
    assert persisted.place == folder.as_uri()
    assert (folder / "model" / "model.safetensors").is_file()


def test_without_a_hub_it_says_so(tmp_path: Path) -> None:
    folder = _reference(tmp_path, name="acme/model")
    with pytest.raises(LoadRefused, match=r"the weights of acme/model can't be fetched from the hub.*connect"):
        persist(str(folder), Trust(), MlflowSettings())
    assert not (folder / "model").exists()


def test_what_else_loading_would_do_must_be_allowed(tmp_path: Path) -> None:
    folder = _reference(tmp_path, code="code")
    with pytest.raises(LoadRefused, match="allow_code = true") as caught:
        persist(str(folder), Trust(), MlflowSettings())
    assert "allow_hub" not in str(caught.value)


def test_an_adapter_is_refused(tmp_path: Path) -> None:
    folder = _reference(tmp_path, peft_adaptor="peft")
    with pytest.raises(LoadRefused, match="can't persist a model with an adapter"):
        persist(str(folder), Trust(), MlflowSettings())


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(LoadRefused, match="no MLmodel file"):
        persist(str(tmp_path), Trust(), MlflowSettings())
