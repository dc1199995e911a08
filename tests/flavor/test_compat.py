"""Models saved under transformers 5: they load and answer as their originals, and their folders stay as they were."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import transformers
from transformers import BertTokenizerFast

from savor.flavor import compat, saved
from savor.flavor.load import LoadOptions, load
from tests import tiny_models, tiny_pipelines

TEXTS = ["one text", "another, longer text"]
UNDER_5 = "5.2.0"
needs_a_view = pytest.mark.skipif(int(transformers.__version__.split(".")[0]) >= 5, reason="5 reads its own models")


def _as_saved_by_5(source: Path, folder: Path, flavor: dict[str, Any], tokenizer: dict[str, Any]) -> Path:
    """A copy of a model with the words that transformers 5 would have written."""
    tiny_models.edited(source, folder, lambda words: words["flavors"]["transformers"].update(flavor))
    file = folder / "components" / "tokenizer" / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **tokenizer}))
    return folder


EDITS = [
    pytest.param(
        {"tokenizer_type": "TokenizersBackend", "transformers_version": UNDER_5},
        {"tokenizer_class": "TokenizersBackend", "backend": "tokenizers", "extra_special_tokens": ["[NEW]", "[OLD]"]},
        id="all of it",
    ),
    pytest.param(
        {"tokenizer_type": "TokenizersBackend", "transformers_version": None},
        {"tokenizer_class": "TokenizersBackend"},
        id="the name without a version",
    ),
    pytest.param(
        {"transformers_version": UNDER_5}, {"tokenizer_class": "TokenizersBackend"}, id="the tokenizer's class"
    ),
    pytest.param({"transformers_version": UNDER_5}, {"extra_special_tokens": ["[NEW]"]}, id="a list of special tokens"),
    pytest.param({"transformers_version": "5.0.0.dev0", "framework": None}, {}, id="the version alone"),
]


def _digests(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize(("flavor", "tokenizer"), EDITS)
def test_it_answers_as_the_original_and_its_folder_is_unchanged(
    tmp_path: Path, flavor: dict[str, Any], tokenizer: dict[str, Any]
) -> None:
    folder = _as_saved_by_5(tiny_models.saved("classifier"), tmp_path / "model", flavor, tokenizer)
    before = _digests(folder)
    loaded = load(saved.read(folder), LoadOptions())
    assert loaded.pipeline(TEXTS, top_k=None) == tiny_pipelines.classifier()(TEXTS, top_k=None)
    assert loaded.saved.path == folder
    assert _digests(folder) == before


def test_special_tokens_of_a_list_are_special(tmp_path: Path) -> None:
    folder = _as_saved_by_5(
        tiny_models.saved("classifier"),
        tmp_path / "model",
        {"transformers_version": UNDER_5},
        {"extra_special_tokens": ["[NEW]", "[OLD]"]},
    )
    tokenizer = load(saved.read(folder), LoadOptions()).pipeline.tokenizer
    assert tokenizer.additional_special_tokens == ["[NEW]", "[OLD]"]
    assert len(tokenizer("[NEW]", add_special_tokens=False)["input_ids"]) == 1


def _with_bert_tokenizer(tmp_path: Path) -> tuple[Path, Any]:
    """A classifier whose tokenizer 4 calls BertTokenizerFast, and the pipeline as it was."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "one", "another", "longer", "text", ","]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    pipeline = tiny_pipelines.classifier()
    tokenizer = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    original = transformers.pipeline("text-classification", model=pipeline.model, tokenizer=tokenizer)
    return tiny_models.save(original, tmp_path / "saved"), original


def test_a_fast_tokenizer_under_the_name_of_4s_slow_one(tmp_path: Path) -> None:
    source, original = _with_bert_tokenizer(tmp_path)
    folder = _as_saved_by_5(
        source,
        tmp_path / "model",
        {"tokenizer_type": "BertTokenizer", "transformers_version": UNDER_5},
        {"tokenizer_class": "BertTokenizer", "backend": "tokenizers"},
    )
    (folder / "components" / "tokenizer" / "vocab.txt").unlink()
    loaded = load(saved.read(folder), LoadOptions())
    assert loaded.pipeline(TEXTS, top_k=None) == original(TEXTS, top_k=None)
    assert loaded.pipeline.tokenizer.is_fast


@pytest.mark.parametrize("recipe", tiny_models.RECIPES)
def test_a_model_saved_under_4_is_loaded_from_its_own_folder(recipe: str) -> None:
    model = saved.read(tiny_models.saved(recipe))
    with compat.readable(model) as readable:
        assert readable is model


@pytest.fixture
def saved_by_5(tmp_path: Path) -> Path:
    flavor, tokenizer = EDITS[0].values
    return _as_saved_by_5(tiny_models.saved("classifier"), tmp_path / "model", flavor, tokenizer)


@needs_a_view
def test_the_view_holds_every_file_and_is_gone_afterwards(saved_by_5: Path) -> None:
    with compat.readable(saved.read(saved_by_5)) as readable:
        view = readable.path
        assert _digests(view).keys() == _digests(saved_by_5).keys()
        assert saved.read(view).flavor["tokenizer_type"] == "PreTrainedTokenizerFast"
        assert (view / "model" / "model.safetensors").is_symlink()
    assert not view.exists()
    assert (saved_by_5 / "model" / "model.safetensors").is_file()


@needs_a_view
def test_the_view_is_gone_after_a_failure_too(saved_by_5: Path) -> None:
    views: list[Path] = []

    def fail() -> None:
        with compat.readable(saved.read(saved_by_5)) as readable:
            views.append(readable.path)
            raise OSError("damaged")

    with pytest.raises(OSError, match="damaged"):
        fail()
    assert not views[0].exists()


@needs_a_view
def test_a_model_behind_links_is_viewed_too(tmp_path: Path, saved_by_5: Path) -> None:
    """Artifact stores may lay models out as links into a cache."""
    (tmp_path / "linked").symlink_to(saved_by_5)
    loaded = load(saved.read(tmp_path / "linked"), LoadOptions())
    assert loaded.pipeline(TEXTS, top_k=None) == tiny_pipelines.classifier()(TEXTS, top_k=None)
