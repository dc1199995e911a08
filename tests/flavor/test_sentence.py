"""sentence-transformers settings beside the weights: every pooling that is served, and the others named."""

import json
from pathlib import Path
from typing import Any

import pytest

from savor.flavor.sentence import Pooling, SentenceSettings, read

TRANSFORMER = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}
POOLING = {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
NORMALIZE = {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
DENSE = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}

MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")


def _folder(path: Path, modules: list[dict[str, Any]], *modes: str, **bert: Any) -> Path:
    """A folder as sentence-transformers saves it, with these pooling modes switched on."""
    (path / "modules.json").write_text(json.dumps(modules))
    pooling = {f"pooling_mode_{mode}": mode in modes for mode in MODES}
    (path / "1_Pooling").mkdir()
    config = {"word_embedding_dimension": 384, **pooling, "include_prompt": True}
    (path / "1_Pooling" / "config.json").write_text(json.dumps(config))
    if bert:
        (path / "sentence_bert_config.json").write_text(json.dumps(bert))
    return path


def test_a_folder_without_settings(tmp_path: Path) -> None:
    assert read(tmp_path) == SentenceSettings(Pooling.MEAN, normalize=False, max_seq_length=None, unserved="")


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == SentenceSettings()


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param("mean_tokens", Pooling.MEAN, id="mean"),
        pytest.param("cls_token", Pooling.CLS, id="cls"),
        pytest.param("lasttoken", Pooling.LAST, id="last"),
    ],
)
def test_pooling(tmp_path: Path, mode: str, expected: Pooling) -> None:
    assert read(_folder(tmp_path, [TRANSFORMER, POOLING], mode)) == SentenceSettings(expected)


def test_normalisation_and_the_cut(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path, [TRANSFORMER, POOLING, NORMALIZE], "mean_tokens", max_seq_length=256, do_lower_case=False
    )
    assert read(folder) == SentenceSettings(Pooling.MEAN, normalize=True, max_seq_length=256)


@pytest.mark.parametrize(
    ("modules", "modes", "unserved"),
    [
        pytest.param([TRANSFORMER, POOLING], ["max_tokens"], "pooling_mode_max_tokens", id="a mode"),
        pytest.param(
            [TRANSFORMER, POOLING],
            ["cls_token", "mean_tokens"],
            "pooling_mode_cls_token, pooling_mode_mean_tokens",
            id="two modes, which sentence-transformers concatenates",
        ),
        pytest.param([TRANSFORMER, POOLING, DENSE], ["mean_tokens"], "Dense", id="a step"),
    ],
)
def test_what_is_not_served_is_named(
    tmp_path: Path, modules: list[dict[str, Any]], modes: list[str], unserved: str
) -> None:
    assert read(_folder(tmp_path, modules, *modes)).unserved == unserved


def test_a_pooling_step_without_a_file_means_the_mean(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text(json.dumps([TRANSFORMER, POOLING]))
    assert read(tmp_path) == SentenceSettings()
