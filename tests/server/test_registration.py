"""From a folder to a version of a registered model, which MLflow and Savor both load; what is wrong is never saved."""

from pathlib import Path
from typing import Any

import mlflow
import peft
import pytest
import transformers
from mlflow import MlflowClient

from savor.flavor import papers, saved
from savor.flavor.checkpoint import Unloggable
from savor.flavor.description import Parameter, describe
from savor.flavor.load import LoadOptions, load
from savor.flavor.saved import SavedModel
from savor.server.config import MlflowSettings
from savor.server.registration import Registered, Registration, RegistrationFailed, register
from savor.server.resolve import resolve
from tests import tiny_pipelines
from tests.server.conftest import Registry

TEXTS = ["one text", "another, longer text"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "classifier"
    tiny_pipelines.classifier().save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A card\n")
    (folder / "LICENSE").write_text("MIT License\n")
    return folder


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "generator"
    tiny_pipelines.generator().save_pretrained(folder)
    return folder


def _register(registry: Registry, source: Any, task: str, **values: Any) -> tuple[Registered, SavedModel]:
    registered = register(Registration(str(source), task, experiment="tiny", **values), registry.settings)
    return registered, saved.read(resolve(registered.uri, registry.settings).path)


def test_a_version_with_an_alias(registry: Registry, classifier: Path) -> None:
    registered, model = _register(registry, classifier, "sentiment-analysis", name="senti", alias="best")
    assert (registered.uri, registered.version) == ("models:/senti@best", "1")
    assert MlflowClient().get_model_version_by_alias("senti", "best").run_id == registered.run_id
    assert model.task == "text-classification"
    assert describe(model).refusals == ()
    assert load(model, LoadOptions()).pipeline(TEXTS) == tiny_pipelines.classifier()(TEXTS)
    assert papers.model_card(model).strip() == "# A card"
    assert papers.license_text(model) == "MIT License\n"
    again, _ = _register(registry, classifier, "text-classification", name="senti")
    assert again.uri == "models:/senti/2"


def test_a_model_that_is_not_registered(registry: Registry, classifier: Path) -> None:
    registered, model = _register(registry, classifier, "text-classification")
    assert registered.uri.startswith("models:/m-")
    assert (registered.version, model.task) == ("", "text-classification")
    assert mlflow.get_run(registered.run_id).info.status == "FINISHED"


def test_a_run_that_is_active_is_used(registry: Registry, classifier: Path) -> None:
    mlflow.set_tracking_uri(registry.uri)
    mlflow.set_experiment("tiny")
    with mlflow.start_run() as run:
        registered, _ = _register(registry, classifier, "text-classification")
        assert mlflow.active_run() is not None
    assert registered.run_id == run.info.run_id


def test_parameters_have_mlflows_types(registry: Registry, generator: Path) -> None:
    params = {"max_new_tokens": 4, "temperature": 0.5, "do_sample": False, "stop": ["x"]}
    _, model = _register(registry, generator, "text-generation", params=params)
    assert describe(model).parameters == (
        Parameter("max_new_tokens", "long", 4),
        Parameter("temperature", "double", 0.5),
        Parameter("do_sample", "boolean", False),
        Parameter("stop", "string[]", ["x"]),
    )
    default = mlflow.transformers.signature.infer_or_get_default_signature(tiny_pipelines.generator())
    assert (model.signature.inputs, model.signature.outputs) == (default.inputs, default.outputs)


def test_an_example_gives_the_signature(registry: Registry, classifier: Path) -> None:
    example = [{"text": "a", "text_pair": "b"}]
    values: dict[str, Any] = {"input_example": example, "params": {"top_k": 2}}
    _, model = _register(registry, classifier, "text-classification", **values)
    assert model.signature.inputs.input_names() == ["text", "text_pair"]
    assert [parameter.name for parameter in describe(model).parameters] == ["top_k"]
    assert (model.path / "input_example.json").is_file()
    assert values == {"input_example": [{"text": "a", "text_pair": "b"}], "params": {"top_k": 2}}
    assert len(mlflow.pyfunc.load_model(str(model.path)).predict(example, params={"top_k": 1})) == 1


def test_an_example_that_can_not_run_leaves_the_default_and_the_parameters(
    registry: Registry, classifier: Path
) -> None:
    _, model = _register(registry, classifier, "text-classification", input_example={"bogus": 1}, params={"top_k": 2})
    assert not model.signature.inputs.has_input_names()
    assert [parameter.name for parameter in describe(model).parameters] == ["top_k"]


def test_a_template_a_config_and_a_type(registry: Registry, generator: Path) -> None:
    config = {"max_new_tokens": 4}
    values: dict[str, Any] = {"prompt_template": "Q: {prompt} A:", "model_config": config, "dtype": "bfloat16"}
    _, model = _register(registry, generator, "text-generation", **values)
    assert (model.prompt_template, model.dtype) == ("Q: {prompt} A:", "bfloat16")
    assert model.pyfunc["config"] == {"max_new_tokens": 4, "return_full_text": False}
    assert config == {"max_new_tokens": 4}
    assert str(load(model, LoadOptions()).pipeline.model.dtype) == "torch.bfloat16"


LLM_TASKS = [("llm/v1/chat", "text-generation"), ("llm/v1/completions", "text-generation")]


@pytest.mark.parametrize(("task", "pipeline_task"), LLM_TASKS, ids=lambda value: value)
def test_a_language_model_task(registry: Registry, generator: Path, task: str, pipeline_task: str) -> None:
    _, model = _register(registry, generator, task, model_config={"max_new_tokens": 4})
    assert (model.inference_task, model.task) == (task, pipeline_task)
    assert describe(model).refusals == ()


def test_an_adapter_and_its_base_model(registry: Registry, generator: Path, tmp_path: Path) -> None:
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["c_attn"], fan_in_fan_out=True)
    peft.get_peft_model(transformers.GPT2LMHeadModel.from_pretrained(generator), config).save_pretrained(tmp_path)
    _, model = _register(registry, tmp_path, "text-generation", base_model=str(generator))
    assert (model.base, model.adapter) == (generator, model.path / "peft")
    assert isinstance(load(model, LoadOptions()).pipeline.model, peft.PeftModel)
    assert "peft==" in (model.path / "requirements.txt").read_text()


def test_speech_that_mlflow_can_load_too(registry: Registry, tmp_path: Path) -> None:
    tiny_pipelines.ctc_recognizer().save_pretrained(tmp_path)
    _, model = _register(registry, tmp_path, "automatic-speech-recognition")
    assert "feature_extractor" in model.components
    assert mlflow.transformers.load_model(str(model.path)).feature_extractor is not None


def test_a_pipeline_in_memory(registry: Registry) -> None:
    pipeline = tiny_pipelines.classifier()
    wanted = Registration(pipeline, "text-classification", experiment="tiny", input_example="a text")
    registered = register(wanted, registry.settings)
    model = saved.read(resolve(registered.uri, registry.settings).path)
    assert load(model, LoadOptions()).pipeline(TEXTS) == pipeline(TEXTS)


def test_the_requirements_are_pinned_without_a_builds_label(registry: Registry, classifier: Path) -> None:
    _, model = _register(registry, classifier, "text-classification")
    lines = (model.path / "requirements.txt").read_text().splitlines()
    assert {line.partition("==")[0] for line in lines} >= {"torch", "transformers", "accelerate", "mlflow"}
    assert not any("+" in line or "torchvision" in line for line in lines)


WRONG = [
    pytest.param({"task": "depth-estimation"}, "'depth-estimation' is not served", id="a task that none serves"),
    pytest.param({"task": "bogus"}, "'bogus' is not served; served are .*llm/v1/chat", id="no task"),
    pytest.param({"task": "conversational"}, "log it for text-generation", id="a task of old transformers"),
    pytest.param({"alias": "a"}, "an alias is of a registered model", id="an alias of nothing"),
    pytest.param({"prompt_template": "{question}"}, "the prompt template can't be filled", id="a broken template"),
    pytest.param({"prompt_template": "{prompt:{w}}"}, "the prompt template can't be filled", id="a nested template"),
    pytest.param(
        {"task": "text-classification", "prompt_template": "{prompt}"}, "and not for text-class", id="no template"
    ),
    pytest.param({"dtype": "int8"}, "'int8' is no floating-point type", id="a type of integers"),
    pytest.param({"dtype": "bogus"}, "'bogus' is no floating-point type", id="no type"),
    pytest.param({"params": {"a": None}}, "params.a: MLflow has no type for None", id="a null"),
    pytest.param({"params": {"a": []}}, "params.a: an empty list has no type", id="an empty list"),
    pytest.param({"params": {"a": {}}}, "params.a: MLflow has no type", id="an empty object"),
    pytest.param({"task": "llm/v1/chat", "params": {"a": 1}}, "takes its options in the request", id="llm parameters"),
    pytest.param({"base_model": "/nowhere"}, "takes no base model", id="a base model of a model"),
]


@pytest.mark.parametrize(("values", "told"), WRONG)
def test_what_is_wrong_is_never_saved(
    registry: Registry, generator: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr(mlflow.transformers, "log_model", lambda *_, **__: pytest.fail("it was logged"))
    with pytest.raises(Unloggable, match=told):
        register(Registration(str(generator), **{"task": "text-generation", **values}), registry.settings)


def test_where_mlflow_fails_its_word_is_told(classifier: Path, registry: Registry) -> None:
    with pytest.raises(RegistrationFailed, match=r"MLflow can't log the model: .*bogus"):
        register(Registration(str(classifier), "text-classification"), MlflowSettings(tracking_uri="bogus://x"))
    mlflow.set_tracking_uri(registry.uri)
