"""What can be logged: every layout of a folder, what each becomes, and clear words about what can't be."""

import json
import shutil
from pathlib import Path
from typing import Any

import peft
import pytest
import transformers

from savor.flavor.checkpoint import Unloggable, opened
from tests import tiny_models, tiny_pipelines

TEXTS = ["one text", "another, longer text"]


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    tiny_pipelines.classifier().save_pretrained(tmp_path / "classifier")
    return tmp_path / "classifier"


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    tiny_pipelines.generator().save_pretrained(tmp_path / "generator")
    return tmp_path / "generator"


@pytest.fixture
def adapter(tmp_path: Path, generator: Path) -> Path:
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["c_attn"], fan_in_fan_out=True)
    model = peft.get_peft_model(transformers.GPT2LMHeadModel.from_pretrained(generator), config)
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_a_checkpoint_is_copied_whole(classifier: Path) -> None:
    checkpoint = opened(str(classifier), "text-classification")
    assert checkpoint.model == str(classifier)
    assert (checkpoint.base, checkpoint.card) == (None, None)
    assert checkpoint.pipeline()(TEXTS) == tiny_pipelines.classifier()(TEXTS)


def test_a_relative_folder_is_told_in_full(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(classifier.parent)
    assert opened("classifier", "text-classification").model == str(classifier)


def test_its_readme_is_its_card(classifier: Path) -> None:
    (classifier / "README.md").write_text("# Card")
    assert opened(classifier, "text-classification").card == classifier / "README.md"


@pytest.mark.parametrize(
    ("make", "task", "part"),
    [
        pytest.param(tiny_pipelines.ctc_recognizer, "automatic-speech-recognition", "feature_extractor", id="speech"),
        pytest.param(tiny_pipelines.image_classifier, "image-classification", "image_processor", id="images"),
    ],
)
def test_what_mlflow_would_copy_in_part_is_logged_by_parts(tmp_path: Path, make: Any, task: str, part: str) -> None:
    make().save_pretrained(tmp_path / "checkpoint")
    checkpoint = opened(tmp_path / "checkpoint", task)
    assert getattr(checkpoint.model, part) is not None


def test_another_heads_checkpoint_has_features(classifier: Path) -> None:
    """MLflow would load the head too, and its logits would pass for features."""
    checkpoint = opened(classifier, "feature-extraction")
    assert type(checkpoint.model.model).__name__ == "BertModel"


def test_a_folder_of_components(tmp_path: Path) -> None:
    pipeline = tiny_pipelines.ctc_recognizer()
    pipeline.model.save_pretrained(tmp_path / "model")
    pipeline.tokenizer.save_pretrained(tmp_path / "tokenizer")
    pipeline.feature_extractor.save_pretrained(tmp_path / "components" / "feature_extractor")
    checkpoint = opened(tmp_path, "automatic-speech-recognition")
    assert checkpoint.model.tokenizer is not None
    assert checkpoint.model.feature_extractor is not None


def test_components_in_memory() -> None:
    pipeline = tiny_pipelines.classifier()
    checkpoint = opened({"model": pipeline.model, "tokenizer": pipeline.tokenizer}, "text-classification")
    assert checkpoint.pipeline()(TEXTS) == pipeline(TEXTS)


def test_a_pipeline() -> None:
    pipeline = tiny_pipelines.classifier()
    assert opened(pipeline, "text-classification").model is pipeline


@pytest.mark.parametrize("named", [True, False], ids=["given", "recorded"])
def test_an_adapter(adapter: Path, generator: Path, named: bool) -> None:
    checkpoint = opened(adapter, "text-generation", str(generator) if named else None)
    assert checkpoint.base == generator
    assert isinstance(checkpoint.model.model, peft.PeftModel)
    assert checkpoint.model.tokenizer is not None


def _changed(folder: Path, file: str, **values: Any) -> Path:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


def test_an_adapter_of_a_hub_needs_a_folder(adapter: Path) -> None:
    _changed(adapter, "adapter_config.json", base_model_name_or_path="acme/base")
    with pytest.raises(Unloggable, match="adapter of acme/base, which is no folder here: give --base-model"):
        opened(adapter, "text-generation")


def test_an_adapter_of_another_model(adapter: Path, tmp_path: Path) -> None:
    config = transformers.GPT2Config(vocab_size=600, n_positions=96, n_embd=16, n_layer=1, n_head=1)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path / "other")
    tiny_pipelines.generator().tokenizer.save_pretrained(tmp_path / "other")
    with pytest.raises(Unloggable, match="does not fit"):
        opened(adapter, "text-generation", str(tmp_path / "other"))


def test_what_is_no_folder() -> None:
    with pytest.raises(Unloggable, match="there is no folder acme/model; a model of a hub is logged from where"):
        opened("acme/model", "fill-mask")


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(Unloggable, match="is no checkpoint"):
        opened(tmp_path, "fill-mask")


def test_a_saved_model() -> None:
    with pytest.raises(Unloggable, match="is a saved MLflow model already"):
        opened(tiny_models.saved("classifier"), "text-classification")


def test_a_class_of_another_task(classifier: Path) -> None:
    with pytest.raises(Unloggable, match="is a BertForSequenceClassification, and fill-mask takes a BertForMaskedLM"):
        opened(classifier, "fill-mask")


@pytest.mark.parametrize("text", ["{", "[]", "3"], ids=["broken", "a list", "a number"])
def test_a_damaged_configuration(classifier: Path, text: str) -> None:
    (classifier / "config.json").write_text(text if text != "[]" else "[1]")
    with pytest.raises(Unloggable, match=r"config\.json is damaged"):
        opened(classifier, "text-classification")


def test_a_checkpoint_that_does_not_say_its_class_is_logged_by_parts(classifier: Path) -> None:
    _changed(classifier, "config.json", architectures=None)
    checkpoint = opened(classifier, "text-classification")
    assert type(checkpoint.model.model).__name__ == "BertForSequenceClassification"


def test_code_of_its_own_is_not_run(classifier: Path) -> None:
    _changed(classifier, "config.json", model_type="evil", auto_map={"AutoConfig": "evil.EvilConfig"})
    (classifier / "evil.py").write_text("raise SystemExit('ran')\n")
    with pytest.raises(Unloggable, match="contains custom code"):
        opened(classifier, "text-classification").pipeline()


@pytest.mark.parametrize("kind", ["checkpoint", "components"])
def test_only_an_adapter_has_a_base_model(tmp_path: Path, classifier: Path, kind: str) -> None:
    shutil.copytree(classifier, tmp_path / "parts" / "model")
    folder = {"checkpoint": classifier, "components": tmp_path / "parts"}[kind]
    with pytest.raises(Unloggable, match="takes no base model"):
        opened(folder, "text-classification", str(classifier))


def test_an_object_that_is_no_pipeline() -> None:
    with pytest.raises(Unloggable, match="a float can't be logged"):
        opened(1.0, "text-classification")
