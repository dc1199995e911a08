"""From settings to a model that runs: how it is to be executed, what is refused, and what is freed."""

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from savor.accel import threads
from savor.accel.cache import Cache
from savor.accel.plan import Accel
from savor.flavor import table
from savor.flavor.artifact import Artifact
from savor.flavor.errors import LoadRefused
from savor.server import loading
from savor.server.config import Settings
from savor.server.loading import open_model, plan_of, warm
from savor.server.settings import read_settings
from tests import compiling, tiny_models


def _settings(recipe: str = "classifier", **model: Any) -> Settings:
    return read_settings(None, {"models": [{"uri": str(tiny_models.saved(recipe)), **model}]})


def _opened(settings: Settings) -> loading.Opened:
    return open_model(settings.models[0], settings, Cache(compiling.FOLDER, 1 << 40))


THREADS = [
    pytest.param({"threads": 3}, 5, 3, id="the model's"),
    pytest.param({}, 5, 5, id="the server's"),
    pytest.param({}, None, threads.available(), id="the process's CPUs"),
]


@pytest.mark.parametrize(("model", "server", "expected"), THREADS)
def test_threads(model: dict[str, int], server: int | None, expected: int, tmp_path: Path) -> None:
    settings = read_settings(None, {"models": [{"uri": "a", **model}], "threads": server})
    plan = plan_of(settings.models[0], settings, Cache(tmp_path, 1))
    assert plan.threads == expected


def test_a_plan_has_what_the_settings_say(tmp_path: Path) -> None:
    settings = _settings(accel="onnx", precision="fp16", provider="cuda")
    cache = Cache(tmp_path, 1)
    plan = plan_of(settings.models[0], settings, cache)
    assert (plan.accel, plan.precision, plan.provider, plan.dtype) == (Accel.ONNX, "fp16", "cuda", "float16")
    assert plan.cache is cache


PRECISIONS = [("fp32", "float32"), ("fp16", "float16"), ("bf16", "bfloat16"), ("int8", "float32")]


@pytest.mark.parametrize(("precision", "dtype"), PRECISIONS)
def test_weights_are_loaded_in_the_precision_that_was_asked_for(precision: str, dtype: str, tmp_path: Path) -> None:
    settings = _settings(precision=precision)
    plan = plan_of(settings.models[0], settings, Cache(tmp_path, 1))
    assert loading.load_options(settings.models[0], plan).dtype == dtype


REFUSED = [
    pytest.param("table-reader", {"accel": "onnx"}, "no ONNX export for the pipeline task", id="no export"),
    pytest.param("classifier", {"accel": "onnx", "provider": "cuda"}, "provider cuda does not run", id="no GPU"),
    pytest.param("classifier", {"accel": "eager", "precision": "int8"}, "torch has no int8 here", id="no int8"),
    pytest.param("classifier", {"device": "cuda:7"}, "the device cuda:7 is not there", id="no device"),
]


@pytest.mark.parametrize(("recipe", "model", "words"), REFUSED)
def test_what_is_refused_names_the_model(recipe: str, model: dict[str, str], words: str) -> None:
    settings = _settings(recipe, **model)
    with pytest.raises(LoadRefused, match=words) as caught:
        _opened(settings)
    assert str(caught.value).startswith(f"{settings.models[0].uri}: ")


@pytest.mark.parametrize(("recipe", "generates"), [("classifier", False), ("generator", True), ("table-reader", False)])
def test_opened_as_by_default_and_warmed(recipe: str, generates: bool) -> None:
    opened = _opened(_settings(recipe))
    family = table.families_of(opened.artifact.saved.family_task)[0]
    assert opened.backend.info.name == ("eager" if recipe == "table-reader" else "onnx")
    assert warm(family, opened) is generates
    opened.backend.close()


def test_nothing_of_the_eager_model_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    models = []
    load = loading.load

    def noting(*arguments: Any) -> Artifact:
        made = load(*arguments)
        models.append(weakref.ref(made.pipeline.model))
        return made

    monkeypatch.setattr(loading, "load", noting)
    opened = _opened(_settings("generator"))
    gc.collect()
    assert [model() for model in models] == [None]
    assert opened.backend.info.name == "onnx"
    opened.backend.close()
