"""What is told of a saved model before it is loaded, and that loading keeps to it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from savor.flavor import saved
from savor.flavor.description import Parameter, describe
from savor.flavor.errors import LoadRefused
from savor.flavor.load import LoadOptions, load
from savor.flavor.trust import Trust
from tests import tiny_models

Edit = Callable[[Path, dict[str, Any]], None]


def _edited(tmp_path: Path, recipe: str, edit: Edit) -> saved.SavedModel:
    folder = tmp_path / "model"
    return saved.read(tiny_models.edited(tiny_models.saved(recipe), folder, lambda words: edit(folder, words)))


def _flavor(**values: Any) -> Edit:
    return lambda _, words: words["flavors"]["transformers"].update(values)


def _without(name: str) -> Edit:
    return lambda folder, _: (folder / name).rename(folder / "gone")


def test_a_model_that_can_be_served() -> None:
    described = describe(saved.read(tiny_models.saved("generator")))
    assert described.family == "text-generation"
    assert "TextGenerationService/GenerateText" in described.rpcs
    assert described.parameters[0] == Parameter("max_new_tokens", "long", 8)
    assert (described.refusals, described.warnings, described.needs) == ((), (), {})


def test_the_config_is_what_would_apply() -> None:
    described = describe(saved.read(tiny_models.saved("generator-bare")), overrides={"max_new_tokens": 2, "top_k": 1})
    assert described.config == {"max_new_tokens": 2, "do_sample": False}
    assert any("top_k" in warning for warning in described.warnings)


REFUSALS = [
    pytest.param(_flavor(task="depth-estimation"), "'depth-estimation' is not served", id="task"),
    pytest.param(_flavor(code="code"), "allow_code = true", id="code"),
    pytest.param(_flavor(source_model_revision="1", source_model_name="a/b"), "allow_hub = true", id="reference"),
    pytest.param(_flavor(pipeline_model_type=None), "pipeline_model_type", id="no class"),
    pytest.param(_flavor(tokenizer_type=None), "tokenizer_type", id="a component without class"),
    pytest.param(_flavor(framework="tf"), "TensorFlow", id="TensorFlow"),
    pytest.param(_flavor(torch_dtype="torch.float7"), "'float7' is no floating-point type", id="unknown type"),
    pytest.param(_flavor(torch_dtype="torch.int8"), "'int8' is no floating-point type", id="type of integers"),
    pytest.param(_flavor(torch_dtype="load"), "'load' is no floating-point type", id="no type at all"),
    pytest.param(_flavor(local_base_model_path="/nowhere"), "the base model /nowhere is not there", id="base model"),
    pytest.param(_flavor(peft_adaptor="peft"), "no peft/adapter_config.json", id="adapter"),
    pytest.param(_without("model"), "the folder model/ of weights is not there", id="folder of weights"),
    pytest.param(_without("model/config.json"), "has no config.json", id="configuration"),
    pytest.param(_without("model/model.safetensors"), "holds no weights", id="weights"),
    pytest.param(_without("components/tokenizer"), "no folder components/tokenizer", id="component"),
]


@pytest.mark.parametrize(("edit", "told"), REFUSALS)
def test_what_loading_would_end_with_is_told(tmp_path: Path, edit: Edit, told: str) -> None:
    model = _edited(tmp_path, "classifier", edit)
    described = describe(model)
    assert any(told in refusal for refusal in described.refusals), described.refusals
    with pytest.raises(LoadRefused) as caught:
        load(model, LoadOptions())
    assert str(caught.value) == "; ".join(described.refusals)


def test_a_type_that_is_asked_for_is_looked_at() -> None:
    described = describe(saved.read(tiny_models.saved("classifier")), dtype="float7")
    assert described.refusals == ("'float7' is no floating-point type of torch",)


def test_a_broken_override_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVING_MODEL_CONFIG", "{")
    described = describe(saved.read(tiny_models.saved("generator-bare")))
    assert described.refusals == ("SERVING_MODEL_CONFIG is not a JSON object of options",)


def _config(**values: Any) -> Edit:
    return lambda _, words: words["flavors"]["python_function"].update(config=values)


def _legacy(folder: Path, _: dict[str, Any]) -> None:
    (folder / "components" / "inference_config.txt").write_text("{}")


def _top(name: str, value: Any) -> Edit:
    return lambda _, words: words.update({name: value})


def _no_pyfunc(_: Path, words: dict[str, Any]) -> None:
    del words["flavors"]["python_function"]


TEMPLATE = {"prompt_template": "Q: {prompt}"}
WARNINGS = [
    pytest.param("generator", _top("signature", None), "it has no signature", id="signature"),
    pytest.param("generator-bare", lambda *_: None, "its signature has no parameters", id="parameters"),
    pytest.param("generator", _no_pyfunc, "no python_function flavor", id="pyfunc"),
    pytest.param("classifier", _top("metadata", TEMPLATE), "its prompt template is ignored", id="template"),
    pytest.param("generator-with-template", _config(), "return_full_text = false", id="echo"),
    pytest.param("classifier", _legacy, "inference_config.txt replaces", id="legacy configuration"),
    pytest.param("classifier", _flavor(transformers_version="4.9999.0"), "newer than this server's", id="newer"),
    pytest.param("classifier", _flavor(transformers_version="5.2.0"), "saved under transformers 5", id="5"),
    pytest.param("generator-bare", _flavor(task="conversational"), "no conversational pipeline", id="conversational"),
]


@pytest.mark.parametrize(("recipe", "edit", "told"), WARNINGS)
def test_what_the_operator_should_know_is_told(tmp_path: Path, recipe: str, edit: Edit, told: str) -> None:
    model = _edited(tmp_path, recipe, edit)
    assert any(told in warning for warning in describe(model).warnings), describe(model).warnings
    assert not any(told in warning for warning in describe(saved.read(tiny_models.saved("generator"))).warnings)


@pytest.mark.parametrize("version", ["", "unknown", transformers.__version__, "4.25.1"])
def test_no_warning_of_versions_that_are_as_old(tmp_path: Path, version: str) -> None:
    model = _edited(tmp_path, "generator", _flavor(transformers_version=version))
    assert describe(model).warnings == ()
    load(model, LoadOptions())


def test_a_switch_that_is_needed_and_on_is_told(tmp_path: Path) -> None:
    model = _edited(tmp_path, "generator", _flavor(code="code"))
    described = describe(model, Trust(allow_code=True))
    assert described.refusals == ()
    assert described.warnings[0].startswith("allow_code is on: it brings Python code")
    assert list(described.needs) == ["allow_code"]


def test_a_model_for_a_language_model_task_has_its_parameters() -> None:
    described = describe(saved.read(tiny_models.saved("llm-completions")))
    assert "max_new_tokens" in {parameter.name for parameter in described.parameters}
    assert described.warnings == ()


def test_a_list_and_its_type(tmp_path: Path) -> None:
    from mlflow.models import infer_signature

    from tests import tiny_pipelines

    signature = infer_signature("a", None, {"stop": ["x"], "options": {"a": 1}})
    folder = tiny_models.save(tiny_pipelines.generator(), tmp_path / "model", signature=signature)
    assert describe(saved.read(folder)).parameters == (
        Parameter("stop", "string[]", ["x"]),
        Parameter("options", "object", {"a": 1}),
    )


@pytest.mark.parametrize("recipe", tiny_models.RECIPES)
def test_no_recipe_has_a_flaw(recipe: str) -> None:
    refusals = describe(saved.read(tiny_models.saved(recipe))).refusals
    assert [refusal for refusal in refusals if "is not served" not in refusal] == []
