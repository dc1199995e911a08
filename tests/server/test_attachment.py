"""Compiled models stored with a model's own files: who fetches the model neither exports nor verifies, nor trusts blindly."""

import logging
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pytest

from savor.accel import attachment, choice, content, export
from savor.accel.cache import Cache
from savor.accel.content import Digests
from savor.flavor import saved
from savor.flavor.errors import LoadRefused
from savor.server.attaching import attach
from savor.server.compilation import Compiled, compile_model
from savor.server.config import CacheSettings, ModelSettings, Settings
from savor.server.loading import Opened, open_model
from savor.server.resolve import resolve
from tests import compiling, tiny_models, tiny_pipelines
from tests.server.conftest import Registry

NAME = "attached"


def silent(step: str) -> None:
    """Nobody is told."""


def settings(cache: Path, registry: Registry | None = None) -> Settings:
    mlflow_settings = {"mlflow": registry.settings} if registry else {}
    return Settings(cache=CacheSettings(dir=cache), threads=1, **mlflow_settings)


def compiled(uri: str, registry: Registry | None = None) -> Compiled:
    return compile_model(ModelSettings(uri=uri, accel="onnx"), settings(compiling.FOLDER, registry), silent)


def opened(uri: str, cache: Path, registry: Registry | None = None) -> Opened:
    """The model as a server with this cache has it."""
    return open_model(ModelSettings(uri=uri), settings(cache, registry), Cache(cache, 1 << 40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's own folder with its compiled model."""
    copy = tmp_path_factory.mktemp("attached") / "classifier"
    shutil.copytree(tiny_models.saved("classifier"), copy)
    _attach(str(copy))
    return copy


@pytest.fixture(scope="module")
def logged(registry: Registry) -> Any:
    """What MLflow says of a model that it logged and registered as `attached`, version 1."""
    mlflow.set_tracking_uri(registry.uri)
    mlflow.set_experiment("tiny")
    with mlflow.start_run():
        return mlflow.transformers.log_model(
            tiny_pipelines.classifier(), name="model", pip_requirements=["transformers"], registered_model_name=NAME
        )


@pytest.fixture
def _no_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("compiled anew")

    monkeypatch.setattr(export, "export", refuse)
    monkeypatch.setattr(choice, "Verification", refuse)


def _attach(uri: str, registry: Registry | None = None) -> str:
    found = compiled(uri, registry)
    return attach(uri, found.source, found.entry, silent)


@pytest.mark.usefixtures("_no_compiling")
def test_a_folders_compiled_model_serves(folder: Path, tmp_path: Path) -> None:
    backend = opened(str(folder), tmp_path / "cache").backend
    assert backend.info.name == "onnx"
    assert backend.info.report is not None
    assert backend.info.report.passed


def test_it_is_no_part_of_what_identifies_the_model(folder: Path, tmp_path: Path) -> None:
    bare = tiny_models.saved("classifier")
    keys = {content.fingerprint(saved.read(each), {}, content.Digests(tmp_path)) for each in (folder, bare)}
    assert len(keys) == 1


def test_mlflow_loads_the_model_as_before(folder: Path) -> None:
    before, after = (mlflow.pyfunc.load_model(str(each)) for each in (tiny_models.saved("classifier"), folder))
    assert after.predict(["a text"]).equals(before.predict(["a text"]))


def test_an_attached_model_is_found_by_who_compiles(folder: Path) -> None:
    again = compiled(str(folder))
    assert (again.found, again.entry.folder.parent) == ("attached", folder / "savor")


@pytest.mark.parametrize("name", ["model.onnx", "savor.json"])
def test_a_tampered_one_is_left_alone(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """A changed graph, and a manifest that was changed to fit."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    (entry,) = attachment.attached(saved.read(copy))
    file = entry.folder / name
    file.write_bytes(file.read_bytes().replace(b"onnx", b"xnno", 1))
    with caplog.at_level(logging.WARNING):
        backend = opened(str(copy), tmp_path / "cache").backend
    assert "is left alone" in caplog.text
    assert backend.info.name == "onnx"
    (made,) = Cache(tmp_path / "cache", 1 << 40).entries()
    assert made.key == entry.key


def test_half_of_one_is_left_alone(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (entry,) = attachment.attached(saved.read(copy))
    (entry.folder / "savor.json").unlink()
    assert attachment.find(saved.read(copy), entry.key, Digests(tmp_path)) is None


URIS = [
    pytest.param("models:/attached/1", id="a version"),
    pytest.param("models:/{model_id}", id="a logged model"),
    pytest.param("runs:/{run_id}/model", id="a run's model"),
]


@pytest.mark.parametrize("uri", URIS)
def test_it_is_stored_where_the_registry_has_the_model(
    registry: Registry, logged: Any, tmp_path: Path, uri: str, request: pytest.FixtureRequest
) -> None:
    """However it was named when it was attached, it comes with the model however that is named."""
    stored = resolve("models:/attached/1", registry.settings).path / "savor"
    shutil.rmtree(stored, ignore_errors=True)
    _attach(uri.format(model_id=logged.model_id, run_id=logged.run_id), registry)
    assert [each.name for each in next(stored.iterdir()).iterdir()]
    download = mlflow.artifacts.download_artifacts("models:/attached/1", dst_path=str(tmp_path / "download"))
    request.getfixturevalue("_no_compiling")
    for named in ("models:/attached/1", f"runs:/{logged.run_id}/model", download):
        assert opened(named, tmp_path / "cache", registry).backend.info.name == "onnx"
    assert not Cache(tmp_path / "cache", 1 << 40).entries()


def test_a_store_that_takes_nothing(tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_models.saved("classifier"), tmp_path / "copy")
    (copy / "savor").write_text("in the way")
    with pytest.raises(LoadRefused, match=r"the store of .*copy does not take the compiled model: "):
        _attach(str(copy))
