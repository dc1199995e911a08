"""Saved models of every form that MLflow writes, loaded to what their originals were."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers

from savor.flavor import saved
from savor.flavor.artifact import Artifact
from savor.flavor.errors import LoadRefused
from savor.flavor.limits import Limits
from savor.flavor.load import LoadOptions, load
from savor.flavor.params import Unknown
from tests import tiny_models, tiny_pipelines
from tests.flavor.artifacts import artifact

TEXTS = ["one text", "another, longer text"]
SOUND = np.sin(np.arange(4_000) / 7).astype(np.float32)


def _load(folder: Path, **options: Any) -> Artifact:
    return load(saved.read(folder), LoadOptions(**options))


@pytest.mark.parametrize("recipe", ["classifier", "classifier-multilabel", "classifier-regression"])
def test_a_classifier_answers_as_its_original(recipe: str) -> None:
    original = tiny_models.RECIPES[recipe][0]()
    assert artifact(recipe).pipeline(TEXTS, top_k=None) == original(TEXTS, top_k=None)


def test_an_encoder_answers_as_its_original() -> None:
    assert artifact("encoder").pipeline(TEXTS) == tiny_pipelines.encoder()(TEXTS)


def test_a_recognizer_answers_as_its_original() -> None:
    assert artifact("ctc").pipeline(SOUND)["text"] == tiny_pipelines.ctc_recognizer()(SOUND)["text"] != ""


@pytest.mark.parametrize("recipe", tiny_models.RECIPES)
def test_a_loaded_model_does_not_train(recipe: str) -> None:
    assert not artifact(recipe).pipeline.model.training


@pytest.mark.parametrize(
    ("recipe", "tokens"),
    [
        pytest.param("classifier", 64, id="BERT"),
        pytest.param("generator", 96, id="GPT-2"),
        pytest.param("ctc", None, id="Wav2Vec2"),
    ],
)
def test_the_encoder_knows_how_much_the_model_reads(recipe: str, tokens: int | None) -> None:
    encoder = artifact(recipe).encoder
    assert encoder is not None
    assert encoder.max_tokens == tokens


@pytest.mark.parametrize("name", ["bfloat16", "torch.bfloat16", "float16"])
def test_a_type_overrides_the_recorded_one(name: str) -> None:
    loaded = _load(tiny_models.saved("classifier"), dtype=name)
    assert {parameter.dtype for parameter in loaded.pipeline.model.parameters()} == {
        getattr(torch, name.removeprefix("torch."))
    }


def test_the_recorded_type_is_the_default(tmp_path: Path) -> None:
    pipeline = tiny_pipelines.classifier()
    folder = tiny_models.save(
        {"model": pipeline.model.half(), "tokenizer": pipeline.tokenizer},
        tmp_path / "model",
        task="text-classification",
    )
    assert _load(folder).pipeline.model.dtype == torch.float16


def test_the_cpu_is_where_it_is_asked_for() -> None:
    assert _load(tiny_models.saved("classifier"), device="cpu").pipeline.model.device.type == "cpu"


def test_a_device_that_is_not_there_is_refused() -> None:
    """Rather than serving from the CPU what the operator put on a GPU."""
    with pytest.raises(LoadRefused):
        _load(tiny_models.saved("classifier"), device="cuda:99")


def test_limits_and_unknown_are_handed_on() -> None:
    loaded = _load(tiny_models.saved("classifier"), limits=Limits(max_inputs=3), unknown_params=Unknown.ALLOW)
    assert loaded.limits.max_inputs == 3
    assert loaded.options({"x": 1}) == ({"x": 1}, ())


def test_overrides_apply_and_others_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "savor.flavor.load"):
        loaded = _load(tiny_models.saved("generator-bare"), model_config={"max_new_tokens": 2, "top_k": 3})
    assert loaded.config == {"max_new_tokens": 2, "do_sample": False}
    assert "top_k" in caplog.text


def test_a_components_dict(tmp_path: Path) -> None:
    pipeline = tiny_pipelines.classifier()
    parts = {"model": pipeline.model, "tokenizer": pipeline.tokenizer}
    folder = tiny_models.save(parts, tmp_path / "model", task="text-classification")
    assert _load(folder).pipeline(TEXTS, top_k=None) == pipeline(TEXTS, top_k=None)


def test_a_model_saved_with_a_processor(tmp_path: Path) -> None:
    pipeline = tiny_pipelines.ctc_recognizer()
    processor = transformers.Wav2Vec2Processor(pipeline.feature_extractor, pipeline.tokenizer)
    folder = tiny_models.save(pipeline, tmp_path / "model", processor=processor)
    assert _load(folder).pipeline(SOUND) == pipeline(SOUND)


def test_a_checkpoint_folder(tmp_path: Path) -> None:
    pipeline = tiny_pipelines.classifier()
    pipeline.save_pretrained(tmp_path / "checkpoint")
    folder = tiny_models.save(str(tmp_path / "checkpoint"), tmp_path / "model", task="text-classification")
    assert _load(folder).pipeline(TEXTS, top_k=None) == pipeline(TEXTS, top_k=None)


def test_a_checkpoint_folder_with_a_feature_extractor_that_mlflow_does_not_record(tmp_path: Path) -> None:
    pipeline = tiny_pipelines.ctc_recognizer()
    pipeline.save_pretrained(tmp_path / "checkpoint")
    folder = tiny_models.save(str(tmp_path / "checkpoint"), tmp_path / "model", task="automatic-speech-recognition")
    assert "feature_extractor" not in saved.read(folder).flavor["components"]
    assert _load(folder).pipeline(SOUND) == pipeline(SOUND)


def _with_adapter(tmp_path: Path) -> tuple[Path, Any]:
    """A LoRA adapter saved beside its base model, and the model as it was."""
    pipeline, base = tiny_pipelines.generator(), tmp_path / "base"
    pipeline.save_pretrained(base)
    torch.manual_seed(1)
    config = peft.LoraConfig(
        task_type="CAUSAL_LM", r=4, target_modules=["c_attn"], fan_in_fan_out=True, init_lora_weights=False
    )
    model = peft.get_peft_model(transformers.GPT2LMHeadModel.from_pretrained(base), config).eval()
    adapted = transformers.pipeline("text-generation", model=model, tokenizer=pipeline.tokenizer)
    return tiny_models.save(adapted, tmp_path / "model", base_model_path=str(base)), model


def test_an_adapter_on_a_base_model_on_disk(tmp_path: Path) -> None:
    folder, original = _with_adapter(tmp_path)
    loaded = _load(folder)
    tokens = torch.tensor([[5, 60, 70, 8]])
    torch.testing.assert_close(loaded.pipeline.model(tokens).logits, original(tokens).logits)
    unadapted = artifact("generator").pipeline.model(tokens).logits
    assert not torch.allclose(loaded.pipeline.model(tokens).logits, unadapted, atol=0.1)
    assert not loaded.pipeline.model.training
    assert loaded.encoder is not None
    assert loaded.encoder.max_tokens == 96


def test_a_task_that_no_family_serves(tmp_path: Path) -> None:
    def edit(words: dict[str, Any]) -> None:
        words["flavors"]["transformers"]["task"] = "depth-estimation"

    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", edit)
    with pytest.raises(LoadRefused, match="'depth-estimation' is not served"):
        _load(folder)


@pytest.mark.parametrize(
    "file", ["model/model.safetensors", "model/config.json", "components/tokenizer/tokenizer.json"]
)
def test_a_damaged_file_is_refused(tmp_path: Path, file: str) -> None:
    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", lambda words: None)
    (folder / file).write_bytes((folder / file).read_bytes()[:50])
    with pytest.raises(LoadRefused, match="transformers can't load"):
        _load(folder)


@pytest.mark.parametrize(
    ("file", "told"),
    [
        pytest.param("model/model.safetensors", "holds no weights", id="weights"),
        pytest.param("model/config.json", "has no config.json", id="configuration"),
    ],
)
def test_a_missing_file_is_refused(tmp_path: Path, file: str, told: str) -> None:
    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", lambda words: None)
    (folder / file).unlink()
    with pytest.raises(LoadRefused, match=told):
        _load(folder)


def test_a_type_that_torch_lacks_is_refused() -> None:
    with pytest.raises(LoadRefused, match="float7"):
        _load(tiny_models.saved("classifier"), dtype="float7")
