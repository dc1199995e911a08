"""A saved model's own words: every layout that MLflow wrote, and clear refusals of what is none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from savor.flavor import saved
from savor.flavor.errors import LoadRefused
from tests import tiny_models


def _folder(path: Path, text: str | bytes) -> Path:
    (path / "MLmodel").write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def _set(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """An edit of MLmodel that sets the value under these keys, or deletes it where the value is `...`."""

    def edit(words: dict[str, Any]) -> None:
        for key in keys[:-1]:
            words = words[key]
        if value is ...:
            del words[keys[-1]]
        else:
            words[keys[-1]] = value

    return edit


def test_what_mlmodel_says() -> None:
    path = tiny_models.saved("generator-with-template")
    model = saved.read(path)
    assert (model.path, model.task, model.instance_type) == (path, "text-generation", "TextGenerationPipeline")
    assert model.prompt_template == "Q: {prompt} A:"
    assert model.weights == path / "model"
    assert (model.weights / "model.safetensors").is_file()
    assert model.mlflow_version == mlflow.__version__
    assert model.transformers_version
    assert model.pyfunc["config"]["max_new_tokens"] == 8
    assert model.params_schema is None


def test_the_params_schema() -> None:
    names = [spec.name for spec in saved.read(tiny_models.saved("classifier-with-params")).params_schema.params]
    assert names == ["top_k", "function_to_apply"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"run_id": "r", "model_id": "m", "model_uuid": "u"}, "r", id="a run's"),
        pytest.param({"run_id": None, "model_id": "m", "model_uuid": "u"}, "m", id="a logged model's"),
        pytest.param({"run_id": None, "model_id": None, "model_uuid": "u"}, "u", id="a saved model's"),
    ],
)
def test_the_id(tmp_path: Path, fields: dict[str, Any], expected: str) -> None:
    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "m", lambda words: words.update(fields))
    assert saved.read(folder).model_id == expected


def test_before_mlflow_2_4_1_the_weights_were_in_pipeline(tmp_path: Path) -> None:
    edit = _set("flavors", "transformers", "model_binary", value=...)
    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "m", edit)
    assert saved.read(folder).weights == folder / "pipeline"


def test_a_model_without_a_signature(tmp_path: Path) -> None:
    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "m", _set("signature", value=...))
    model = saved.read(folder)
    assert model.signature is None
    assert model.params_schema is None


def test_fields_that_old_models_lack_read_as_nothing(tmp_path: Path) -> None:
    model = saved.read(_folder(tmp_path, "flavors: {transformers: {task: fill-mask}}"))
    assert (model.transformers_version, model.instance_type, model.mlflow_version, model.model_id) == ("", "", "", "")
    assert model.pyfunc == {}
    assert model.prompt_template is None


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        pytest.param("text-generation", "Q: {prompt}", id="a templated task"),
        pytest.param("text-classification", None, id="a task without templates"),
    ],
)
def test_the_template_is_read_from_the_metadata(tmp_path: Path, task: str, expected: str | None) -> None:
    text = json.dumps({"flavors": {"transformers": {"task": task}}, "metadata": {"prompt_template": "Q: {prompt}"}})
    assert saved.read(_folder(tmp_path, text)).prompt_template == expected


def test_a_broken_template_is_refused_at_read(tmp_path: Path) -> None:
    edit = _set("metadata", "prompt_template", value="Q: {question}")
    folder = tiny_models.edited(tiny_models.saved("generator-with-template"), tmp_path / "m", edit)
    with pytest.raises(LoadRefused, match="template"):
        saved.read(folder)


def test_a_folder_without_mlmodel(tmp_path: Path) -> None:
    with pytest.raises(LoadRefused, match="it has no MLmodel file"):
        saved.read(tmp_path)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(LoadRefused, match="it has no MLmodel file"):
        saved.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("flavors", "named"),
    [
        pytest.param({"sklearn": {}, "python_function": {}}, "python_function, sklearn", id="another flavor"),
        pytest.param({}, "none", id="none"),
        pytest.param({"transformers": {}}, "transformers", id="transformers without a task"),
    ],
)
def test_another_flavor_is_named(tmp_path: Path, flavors: dict[str, Any], named: str) -> None:
    with pytest.raises(LoadRefused, match=f"its flavors: {named}"):
        saved.read(_folder(tmp_path, json.dumps({"flavors": flavors})))


def _with_params(spec: dict[str, Any]) -> str:
    signature = {"inputs": None, "outputs": None, "params": json.dumps([spec])}
    return json.dumps({"flavors": {"transformers": {"task": "fill-mask"}}, "signature": signature})


DAMAGED = [
    pytest.param("flavors: [", id="broken YAML"),
    pytest.param("flavors:\n\t- a", id="tabs"),
    pytest.param("", id="empty"),
    pytest.param("just words", id="a string"),
    pytest.param("- a\n- b", id="a list"),
    pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
    pytest.param("flavors: !!python/object/apply:os.getcwd []", id="a Python tag"),
    pytest.param("flavors: {transformers: null}", id="a flavor that is null"),
    pytest.param("flavors: {transformers: words}", id="a flavor that is a string"),
    pytest.param("flavors: {transformers: {task: text-generation}}\nmetadata: [a]", id="metadata that is a list"),
    pytest.param("flavors: {transformers: {task: x}}\nsignature: {inputs: '['}", id="a signature that is no JSON"),
    pytest.param(
        'flavors: {transformers: {task: x}}\nsignature: {inputs: \'[{"type": "vector"}]\'}', id="a type from the future"
    ),
    pytest.param(
        _with_params({"name": "k", "type": "long", "default": "x", "shape": None}), id="a default of another type"
    ),
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_mlmodel_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(LoadRefused):
        saved.read(_folder(tmp_path, text))


SAVED_CONFIG = {"max_new_tokens": 8, "do_sample": False}

OVERRIDES = [
    pytest.param(SAVED_CONFIG, {}, {}, SAVED_CONFIG, id="nothing"),
    pytest.param(SAVED_CONFIG, {}, {"max_new_tokens": 2}, {**SAVED_CONFIG, "max_new_tokens": 2}, id="at load"),
    pytest.param(
        SAVED_CONFIG, {"max_new_tokens": 3}, {}, {**SAVED_CONFIG, "max_new_tokens": 3}, id="by the environment"
    ),
    pytest.param(
        SAVED_CONFIG,
        {"max_new_tokens": 3, "do_sample": True},
        {"max_new_tokens": 1},
        {"max_new_tokens": 1, "do_sample": True},
        id="at load over the environment",
    ),
    pytest.param(
        SAVED_CONFIG,
        {"top_p": 1.0},
        {"top_k": 1, "do_sample": True},
        {**SAVED_CONFIG, "do_sample": True},
        id="unsaved keys",
    ),
    pytest.param({}, {"top_p": 1.0}, {"max_new_tokens": 1}, {}, id="nothing was saved"),
    pytest.param(SAVED_CONFIG, {}, {"max_new_tokens": None}, {**SAVED_CONFIG, "max_new_tokens": None}, id="null"),
    pytest.param({"kwargs": {"a": 1}}, {}, {"kwargs": {"b": 2}}, {"kwargs": {"b": 2}}, id="one level deep"),
]


@pytest.mark.parametrize(("config", "environment", "override", "expected"), OVERRIDES)
def test_overrides_change_only_keys_that_were_saved(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: dict[str, Any],
    environment: dict[str, Any],
    override: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    if environment:
        monkeypatch.setenv("MLFLOW_PYFUNC_INFERENCE_CONFIG", json.dumps(environment))
    edit = _set("flavors", "python_function", "config", value=config)
    folder = tiny_models.edited(tiny_models.saved("generator-bare"), tmp_path / "m", edit)
    effective, warnings = saved.effective_config(saved.read(folder), override)
    assert effective == expected
    ignored = sorted((environment | override).keys() - config.keys())
    assert [warning.rsplit(": ", 1)[1] for warning in warnings] == ([", ".join(ignored)] if ignored else [])
    assert effective == (mlflow.pyfunc.load_model(str(folder), model_config=override).model_config or {})


def test_the_saved_config_is_left_alone() -> None:
    model = saved.read(tiny_models.saved("generator-bare"))
    effective, _ = saved.effective_config(model, {"max_new_tokens": 1})
    effective["new"] = 1
    assert model.pyfunc["config"] == {"do_sample": False, "max_new_tokens": 8}


def _with_legacy_file(tmp_path: Path, text: str) -> Path:
    folder = tiny_models.edited(tiny_models.saved("generator-bare"), tmp_path / "m", lambda words: None)
    (folder / "components" / "inference_config.txt").write_text(text)
    return folder


def test_a_legacy_file_replaces_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_PYFUNC_INFERENCE_CONFIG", '{"max_new_tokens": 3}')
    model = saved.read(_with_legacy_file(tmp_path, '{"max_new_tokens": 5, "num_beams": 2}'))
    assert saved.effective_config(model, {"max_new_tokens": 1}) == ({"max_new_tokens": 5, "num_beams": 2}, ())


def test_a_legacy_file_at_the_root_is_passed_over(tmp_path: Path) -> None:
    folder = tiny_models.edited(tiny_models.saved("generator-bare"), tmp_path / "m", lambda words: None)
    (folder / "inference_config.txt").write_text('{"max_new_tokens": 5}')
    assert saved.effective_config(saved.read(folder), {})[0]["max_new_tokens"] == 8


@pytest.mark.parametrize("text", ["{", "3", ""], ids=["broken", "a number", "empty"])
def test_a_broken_legacy_file_is_refused(tmp_path: Path, text: str) -> None:
    model = saved.read(_with_legacy_file(tmp_path, text))
    with pytest.raises(LoadRefused):
        saved.effective_config(model, {})


def test_a_broken_environment_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_PYFUNC_INFERENCE_CONFIG", "{max_new_tokens: 3}")
    with pytest.raises(LoadRefused, match="MLFLOW_PYFUNC_INFERENCE_CONFIG"):
        saved.effective_config(saved.read(tiny_models.saved("generator-bare")), {})
