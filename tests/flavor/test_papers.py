"""A saved model's card and licence: found under every name they go by, and bounded."""

from pathlib import Path

import pytest

from savor.flavor import papers, saved
from tests import tiny_models

STAND_IN = "A license file could not be found for the 'x' repository. \nTo ensure that"


def _model(tmp_path: Path, **files: str) -> saved.SavedModel:
    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", lambda words: None)
    for name in ("LICENSE.txt", "model_card.md"):
        (folder / name).unlink(missing_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return saved.read(folder)


@pytest.mark.parametrize("name", ["LICENSE.txt", "LICENSE", "license.md", "LICENSE.MD", "apache-license.txt"])
def test_a_licence_may_have_the_repositorys_own_name(tmp_path: Path, name: str) -> None:
    assert papers.license_text(_model(tmp_path, **{name: "Mine"})) == "Mine"


@pytest.mark.parametrize("name", ["LICENSES.txt", "licence.txt", "NOTICE"])
def test_what_mlflow_takes_for_none(tmp_path: Path, name: str) -> None:
    assert papers.license_text(_model(tmp_path, **{name: "Mine"})) == ""


def test_a_copied_checkpoints_licence_comes_before_mlflows_stand_in(tmp_path: Path) -> None:
    model = _model(tmp_path, **{"LICENSE.txt": STAND_IN})
    assert papers.license_text(model) == STAND_IN
    assert papers.is_stand_in(STAND_IN)
    (model.weights / "LICENSE").write_text("MIT")
    assert papers.license_text(model) == "MIT"


def test_mlflows_own_stand_in_is_known() -> None:
    assert papers.is_stand_in(papers.license_text(saved.read(tiny_models.saved("classifier"))))


def test_the_card_is_mlflows_else_the_checkpoints(tmp_path: Path) -> None:
    model = _model(tmp_path)
    assert papers.model_card(model) == ""
    (model.weights / "README.md").write_text("of the checkpoint")
    assert papers.model_card(model) == "of the checkpoint"
    (model.path / "model_card.md").write_text("of MLflow")
    assert papers.model_card(model) == "of MLflow"


def test_long_papers_are_cut(tmp_path: Path) -> None:
    model = _model(tmp_path, **{"model_card.md": "é" * 1_000_000})
    card = papers.model_card(model)
    assert card.endswith("(cut here)")
    assert 100_000 <= len(card) < 100_100


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    model = _model(tmp_path)
    (model.path / "model_card.md").write_bytes(b"a\xffb")
    assert papers.model_card(model) == "a\ufffdb"


@pytest.mark.parametrize("name", ["model_card.md", "LICENSE"])
def test_a_folder_of_that_name_is_no_paper(tmp_path: Path, name: str) -> None:
    model = _model(tmp_path)
    (model.path / name).mkdir()
    assert (papers.model_card(model), papers.license_text(model)) == ("", "")
