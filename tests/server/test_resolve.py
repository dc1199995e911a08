"""From what the operator names to a folder: local paths, and everything that a real registry knows."""

from pathlib import Path

import pytest

from savor.flavor import saved
from savor.flavor.errors import LoadRefused
from savor.server.config import MlflowSettings
from savor.server.resolve import Source, resolve
from tests import tiny_models
from tests.server.conftest import NAME, Registry


def test_a_folder(tmp_path: Path) -> None:
    folder = tiny_models.saved("classifier")
    assert resolve(str(folder), MlflowSettings()) == Source(folder.resolve(), "classifier")


def test_a_folder_relative_to_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_models.saved("classifier").resolve()
    monkeypatch.chdir(folder.parent)
    assert resolve("classifier", MlflowSettings()) == Source(folder, "classifier")
    monkeypatch.chdir(folder)
    assert resolve(".", MlflowSettings()) == Source(folder, "classifier")


def test_a_link_to_a_folder(tmp_path: Path) -> None:
    folder = tiny_models.saved("classifier").resolve()
    (tmp_path / "current").symlink_to(folder)
    assert resolve(str(tmp_path / "current"), MlflowSettings()).path == folder


def test_a_folder_by_url() -> None:
    source = resolve(tiny_models.saved("classifier").as_uri(), MlflowSettings())
    assert saved.read(source.path).task == "text-classification"
    assert (source.name, source.version) == ("classifier", "")


@pytest.mark.parametrize("name", ["nowhere", "/nowhere/at/all", "nowhere/"])
def test_a_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LoadRefused):
        resolve(name, MlflowSettings())


VERSIONS = [
    pytest.param("1", "1", ("old",), "text-classification", id="a version"),
    pytest.param("2", "2", ("champion", "newest"), "feature-extraction", id="another version"),
    pytest.param("latest", "2", ("champion", "newest"), "feature-extraction", id="the latest"),
]


@pytest.mark.parametrize(("version", "expected", "aliases", "task"), VERSIONS)
def test_a_version(registry: Registry, version: str, expected: str, aliases: tuple[str, ...], task: str) -> None:
    source = resolve(f"models:/{NAME}/{version}", registry.settings)
    assert (source.name, source.version) == (NAME, expected)
    assert sorted(source.aliases) == sorted(aliases)
    assert saved.read(source.path).task == task


@pytest.mark.parametrize(("alias", "version"), [("old", "1"), ("champion", "2"), ("newest", "2")])
def test_an_alias_is_the_version_that_it_points_to(registry: Registry, alias: str, version: str) -> None:
    source = resolve(f"models:/{NAME}@{alias}", registry.settings)
    assert (source.name, source.version) == (NAME, version)
    assert alias in source.aliases


def test_a_runs_model(registry: Registry) -> None:
    source = resolve(f"runs:/{registry.run_id}/model", registry.settings)
    assert (source.name, source.version, source.aliases) == ("model", "", ())
    assert saved.read(source.path).task == "text-classification"


def test_a_logged_model(registry: Registry) -> None:
    source = resolve(f"models:/{registry.model_id}", registry.settings)
    assert (source.name, source.version) == (registry.model_id, "")
    assert saved.read(source.path).task == "text-classification"


MISSING = [
    pytest.param("models:/nothing/1", id="a model"),
    pytest.param(f"models:/{NAME}/9", id="a version"),
    pytest.param(f"models:/{NAME}/one", id="a version that is no number"),
    pytest.param(f"models:/{NAME}@nothing", id="an alias"),
    pytest.param("models:/nothing@champion", id="an alias of no model"),
    pytest.param("models:/nothing/latest", id="the latest of no model"),
    pytest.param("models:/nothing", id="a logged model"),
    pytest.param("models:/", id="a name"),
    pytest.param("runs:/0123456789abcdef0123456789abcdef/model", id="a run"),
    pytest.param("runs:/", id="a run's id"),
    pytest.param("file:///nowhere/at/all", id="a folder by url"),
    pytest.param("gopher://host.example/model", id="an artifact store"),
]


@pytest.mark.parametrize("uri", MISSING)
def test_what_is_missing_is_named(registry: Registry, uri: str) -> None:
    with pytest.raises(LoadRefused) as caught:
        resolve(uri, registry.settings)
    assert uri in str(caught.value)


def test_an_artifact_that_a_run_lacks(registry: Registry) -> None:
    with pytest.raises(LoadRefused):
        resolve(f"runs:/{registry.run_id}/nothing", registry.settings)
