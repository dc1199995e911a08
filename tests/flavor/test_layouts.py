"""Everything that MLflow may have written, loaded as MLflow itself loads it: layouts, references, devices, old tasks."""

import logging
import shutil
from pathlib import Path
from typing import Any

import mlflow.transformers
import numpy as np
import pytest
import torch
import transformers

from savor.flavor import saved
from savor.flavor.artifact import Artifact
from savor.flavor.errors import LoadRefused
from savor.flavor.load import LoadOptions, load
from tests import tiny_models, tiny_pipelines
from tests.parity.oracle import pyfunc

TEXTS = ["one text", "another, longer text"]


def _load(folder: Path, **options: Any) -> Artifact:
    return load(saved.read(folder), LoadOptions(**options))


def _flavor(tmp_path: Path, recipe: str, **values: Any) -> Path:
    """A copy of a recipe's model with these words in its flavor; `...` takes one away."""

    def edit(words: dict[str, Any]) -> None:
        flavor = words["flavors"]["transformers"]
        flavor.update(values)
        for name in [name for name, value in values.items() if value is ...]:
            del flavor[name]

    return tiny_models.edited(tiny_models.saved(recipe), tmp_path / "model", edit)


def test_the_layout_before_mlflow_2_4_1(tmp_path: Path) -> None:
    folder = _flavor(tmp_path, "classifier", model_binary=...)
    (folder / "model").rename(folder / "pipeline")
    loaded = _load(folder)
    assert loaded.pipeline(TEXTS) == mlflow.transformers.load_model(str(folder))(TEXTS)
    assert any("before 2.4.1" in finding for finding in loaded.saved.findings)


def test_what_old_models_do_not_record(tmp_path: Path) -> None:
    folder = _flavor(tmp_path, "classifier", torch_dtype=..., framework=..., code=..., transformers_version=...)
    assert _load(folder).pipeline(TEXTS) == mlflow.transformers.load_model(str(folder))(TEXTS)


@pytest.mark.parametrize("dtype", ["torch.float16", "torch.bfloat16", None])
def test_the_recorded_type_is_mlflows(tmp_path: Path, dtype: str | None) -> None:
    folder = _flavor(tmp_path, "classifier", torch_dtype=dtype)
    expected = mlflow.transformers.load_model(str(folder)).model.dtype
    assert _load(folder).pipeline.model.dtype == expected
    assert _load(folder, dtype="float64").pipeline.model.dtype == torch.float64


def test_a_translation_keeps_its_languages(tmp_path: Path) -> None:
    pipeline = tiny_pipelines.text2text("translation_en_to_fr")
    folder = tiny_models.save(pipeline, tmp_path / "model")
    loaded, expected = _load(folder), mlflow.transformers.load_model(str(folder))
    assert (loaded.saved.task, loaded.saved.family_task) == ("translation_en_to_fr", "translation")
    assert loaded.pipeline.task == expected.task == "translation_en_to_fr"


def _conversational(tmp_path: Path, pipeline: Any) -> Path:
    """A model as MLflow saved it while transformers had a conversational pipeline."""
    tiny_models.save(pipeline, tmp_path / "now")

    def edit(words: dict[str, Any]) -> None:
        words["flavors"]["transformers"].update(task="conversational", instance_type="ConversationalPipeline")

    return tiny_models.edited(tmp_path / "now", tmp_path / "model", edit)


CONVERSATIONS = [
    pytest.param(tiny_pipelines.generator, "text-generation", id="a decoder"),
    pytest.param(tiny_pipelines.text2text, "text2text-generation", id="an encoder and a decoder"),
]


@pytest.mark.parametrize(("make", "task"), CONVERSATIONS)
def test_a_conversational_model_generates_text(tmp_path: Path, make: Any, task: str) -> None:
    """MLflow itself can't load it any more: `Unknown task conversational`."""
    folder = _conversational(tmp_path, make())
    loaded = _load(folder)
    assert (loaded.saved.task, loaded.saved.instance_type) == ("conversational", "ConversationalPipeline")
    assert loaded.pipeline.task == task
    options = {"max_new_tokens": 5, "do_sample": False}
    assert loaded.pipeline("one text", **options) == make()("one text", **options)
    assert any("conversational" in finding for finding in loaded.saved.findings)
    with pytest.raises(KeyError, match="conversational"):
        mlflow.transformers.load_model(str(folder))


def test_a_processor_and_no_other_component(tmp_path: Path) -> None:
    pipeline = tiny_pipelines.ctc_recognizer()
    processor = transformers.Wav2Vec2Processor(pipeline.feature_extractor, pipeline.tokenizer)
    folder = tiny_models.save(pipeline, tmp_path / "model", processor=processor)
    sound = np.sin(np.arange(4_000) / 7).astype(np.float32)
    assert saved.read(folder).components == ("feature_extractor", "tokenizer", "processor")
    assert _load(folder).pipeline(sound) == pipeline(sound)
    with pytest.raises(mlflow.MlflowException, match="saved with a processor"):
        mlflow.transformers.load_model(str(folder))


@pytest.mark.parametrize("recipe", ["generator-bare", "encoder"])
def test_both_variables_for_model_config(monkeypatch: pytest.MonkeyPatch, recipe: str) -> None:
    """The second is what `mlflow models serve --model-config` sets; its server hands it on as the load's override."""
    monkeypatch.setenv("MLFLOW_PYFUNC_INFERENCE_CONFIG", '{"max_new_tokens": 3, "do_sample": true}')
    monkeypatch.setenv("SERVING_MODEL_CONFIG", '{"max_new_tokens": 2, "top_k": 1}')
    from mlflow.pyfunc.scoring_server import load_model_with_mlflow_config

    expected = load_model_with_mlflow_config(str(tiny_models.saved(recipe))).model_config or {}
    config, warnings = saved.effective_config(saved.read(tiny_models.saved(recipe)), {})
    assert config == expected
    assert "top_k" in warnings[0]


@pytest.mark.parametrize("value", ["cpu", "-1", "0", "cuda:1"])
def test_the_default_device_is_mlflows(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """What is no number is the CPU, and so is a GPU on a host without any."""
    monkeypatch.setenv("MLFLOW_DEFAULT_PREDICTION_DEVICE", value)
    expected = mlflow.transformers.load_model(str(tiny_models.saved("classifier"))).model.device
    assert _load(tiny_models.saved("classifier")).pipeline.model.device == expected


def test_a_device_map_places_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HUGGINGFACE_USE_DEVICE_MAP", "true")
    loaded = _load(tiny_models.saved("classifier"))
    assert hasattr(loaded.pipeline.model, "hf_device_map")
    assert loaded.pipeline(TEXTS) == tiny_pipelines.classifier()(TEXTS)


def test_a_device_map_and_a_device_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HUGGINGFACE_USE_DEVICE_MAP", "true")
    with pytest.raises(LoadRefused, match="MLFLOW_HUGGINGFACE_USE_DEVICE_MAP is on"):
        _load(tiny_models.saved("classifier"), device="cpu")
    with pytest.raises(mlflow.MlflowException, match="MLFLOW_HUGGINGFACE_USE_DEVICE_MAP"):
        mlflow.transformers.load_model(str(tiny_models.saved("classifier")), device=-1)


@pytest.mark.parametrize(
    "name", ["MLFLOW_DISABLE_HUGGINGFACE_ACCELERATE_FEATURES", "MLFLOW_HUGGINGFACE_USE_LOW_CPU_MEM_USAGE"]
)
@pytest.mark.parametrize("value", ["true", "false"])
def test_ways_of_loading_give_the_same_model(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert _load(tiny_models.saved("classifier")).pipeline(TEXTS) == tiny_pipelines.classifier()(TEXTS)


def test_models_load_where_mlflow_may_run_no_code_of_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_MODEL_CODE_EXECUTION", "false")
    assert _load(tiny_models.saved("classifier")).pipeline(TEXTS) == tiny_pipelines.classifier()(TEXTS)


def test_an_image_checkpoint_whose_processor_mlflow_does_not_record(tmp_path: Path) -> None:
    """Its folder has the processor's file; the tokenizer is there so that MLflow copies the folder at all."""
    pipeline = tiny_pipelines.image_classifier()
    folder = tiny_models.save(pipeline, tmp_path / "model")

    def edit(words: dict[str, Any]) -> None:
        flavor = words["flavors"]["transformers"]
        flavor["components"].remove("image_processor")
        del flavor["image_processor_type"]

    bare = tiny_models.edited(folder, tmp_path / "bare", edit)
    shutil.move(bare / "components" / "image_processor" / "preprocessor_config.json", bare / "model")
    assert type(_load(bare).pipeline.image_processor) is type(pipeline.image_processor)


def test_findings_are_logged_and_kept(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "savor.flavor.load"):
        loaded = _load(tiny_models.saved("generator-bare"), model_config={"top_k": 3})
    assert any("overrides were ignored" in finding for finding in loaded.saved.findings)
    assert all(finding in caplog.text for finding in loaded.saved.findings)
    assert saved.read(tiny_models.saved("generator-bare")).findings == ()


def test_the_oracle_agrees_on_the_saved_config() -> None:
    assert _load(tiny_models.saved("generator-bare")).config == pyfunc("generator-bare").model_config
