"""The models in service: which one a request means, and how models come into service and go out of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from savor.flavor.errors import InvalidInput, LoadRefused, NotReady, UnknownModel
from savor.server.call import Call
from savor.server.models import Models, default_name
from savor.server.settings import read_settings
from tests import tiny_models
from tests.server.conftest import NAME, Registry


def _models(*models: dict[str, Any], **settings: Any) -> Models:
    return Models(read_settings(None, {"models": list(models), **settings}))


def _folder(recipe: str, **settings: Any) -> dict[str, Any]:
    return {"uri": str(tiny_models.saved(recipe)), **settings}


NAMES = [
    pytest.param("models:/tiny/3", "tiny", id="a version"),
    pytest.param("models:/tiny@champion", "tiny", id="an alias"),
    pytest.param("models:/m-0123abc", "m-0123abc", id="a logged model"),
    pytest.param("runs:/0123abc/model", "model", id="a run"),
    pytest.param("/data/models/tiny", "tiny", id="a folder"),
    pytest.param("/data/models/tiny/", "tiny", id="a folder with a slash"),
    pytest.param("tiny", "tiny", id="a folder here"),
    pytest.param("s3://bucket/models/tiny", "tiny", id="an artifact"),
]


@pytest.mark.parametrize(("uri", "expected"), NAMES)
def test_names_by_default(uri: str, expected: str) -> None:
    assert default_name(uri) == expected
    assert [entry.name for entry in _models({"uri": uri}).entries] == [expected]


def test_the_operators_name_comes_first() -> None:
    assert [entry.name for entry in _models({"uri": "models:/tiny/3", "name": "mine"}).entries] == ["mine"]


def test_a_model_that_is_on_its_way() -> None:
    entry = _models(_folder("classifier")).find("classifier")
    assert (entry.version, entry.aliases) == ("", ())
    with pytest.raises(NotReady, match="'classifier' is still loading"):
        entry.ready()


def test_no_name_where_there_is_one_model() -> None:
    models = _models(_folder("classifier"))
    assert models.find("") is models.entries[0]


def test_no_name_where_there_are_several() -> None:
    with pytest.raises(InvalidInput, match="model: is empty, and this server has several: a, b") as caught:
        _models(_folder("classifier", name="a"), _folder("encoder", name="b")).find("")
    assert caught.value.violations[0].field == "model"


@pytest.mark.parametrize("wanted", ["c", "A", "a ", "a/1", "c@1", "@"])
def test_a_name_that_nothing_is_served_under(wanted: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        _models(_folder("classifier", name="a"), _folder("encoder", name="b")).find(wanted)
    assert "this server has a, b" in str(caught.value)


def test_a_server_without_models() -> None:
    with pytest.raises(UnknownModel, match="this server has none"):
        _models().find("a")


@pytest.mark.parametrize("name", ["a", "with spaces", "team/model", "日本語", "model@v1"])
def test_a_model_is_found_under_the_name_that_it_is_listed_under(name: str) -> None:
    models = _models(_folder("classifier", name=name), _folder("encoder", name="other"))
    assert models.find(name) is models.entries[0]


def test_a_version_of_a_model_that_is_on_its_way() -> None:
    with pytest.raises(NotReady):
        _models(_folder("classifier", name="a")).find("a@1")


@pytest.fixture(scope="module")
async def registered(registry: Registry) -> AsyncIterator[Models]:
    """Both versions of the registry's model under one name, and a folder."""
    models = _models(
        {"uri": f"models:/{NAME}/1"},
        {"uri": f"models:/{NAME}@champion"},
        _folder("generator", name="writer"),
        mlflow={"tracking_uri": registry.uri},
    )
    await models.load_all()
    yield models
    await models.close()


SELECTED = [
    pytest.param("tiny@1", 0, id="a version"),
    pytest.param("tiny@2", 1, id="another version"),
    pytest.param("tiny@old", 0, id="an alias"),
    pytest.param("tiny@champion", 1, id="the alias that it was named by"),
    pytest.param("tiny@newest", 1, id="another alias of that version"),
    pytest.param("tiny", 0, id="the first of several versions"),
    pytest.param("writer", 2, id="a folder"),
]


@pytest.mark.parametrize(("wanted", "index"), SELECTED)
async def test_a_loaded_model_by_name_version_or_alias(registered: Models, wanted: str, index: int) -> None:
    assert registered.find(wanted) is registered.entries[index]


async def test_a_folders_model_by_its_id(registered: Models) -> None:
    writer = registered.find("writer")
    assert writer.version
    assert registered.find(f"writer@{writer.version}") is writer


@pytest.mark.parametrize("wanted", ["tiny@3", "tiny@nothing", "tiny@", "writer@1"])
async def test_a_version_that_is_not_served(registered: Models, wanted: str) -> None:
    with pytest.raises(UnknownModel, match="is not served as"):
        registered.find(wanted)


async def test_versions_that_are_served_are_named(registered: Models) -> None:
    with pytest.raises(UnknownModel, match="served are tiny@1, tiny@old, tiny@2"):
        registered.find("tiny@3")


async def test_loaded_models_answer(registered: Models) -> None:
    for entry in registered.entries:
        loaded = entry.ready()
        prepared = loaded.families[0].probe(loaded.artifact)
        answer = await asyncio.wrap_future(loaded.pump.admit(prepared.items, Call(60.0)))
        assert len(answer.rows) == len(prepared.items)


async def test_settings_of_a_model_reach_it() -> None:
    settings = {
        "precision": "bf16",
        "device": "cpu",
        "unknown_parameters": "allow",
        "model_config": {"max_new_tokens": 2, "unsaved": 1},
        "limits": {"max_inputs": 3, "uri_prefixes": ["file:///data/"]},
    }
    models = _models(_folder("generator-bare", **settings))
    await models.load_all()
    artifact = models.entries[0].ready().artifact
    assert str(artifact.pipeline.model.dtype) == "torch.bfloat16"
    assert artifact.options({"x": 1}) == ({"max_new_tokens": 2, "do_sample": False, "x": 1}, ())
    assert (artifact.limits.max_inputs, artifact.limits.uri_prefixes) == (3, ("file:///data/",))
    await models.close()


async def test_a_model_that_can_not_be_served_is_named(tmp_path: Any) -> None:
    models = _models(_folder("classifier"), {"uri": str(tmp_path)})
    with pytest.raises(LoadRefused, match=str(tmp_path)):
        await models.load_all()
    assert models.entries[0].loaded is not None
    assert models.entries[1].loaded is None
    await models.close()


async def test_saved_options_that_can_not_be_used_fail_calls_and_not_the_start(
    tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def edit(words: dict[str, Any]) -> None:
        words["flavors"]["python_function"]["config"] = {"no_such_option": 1}

    models = _models({"uri": str(tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "odd", edit))})
    await models.load_all()
    loaded = models.entries[0].ready()
    with pytest.raises(InvalidInput, match=r"parameters\.no_such_option"):
        loaded.families[0].probe(loaded.artifact)
    assert "parameters.no_such_option" in caplog.text
    await models.close()


async def test_a_closed_model_takes_no_calls() -> None:
    models = _models(_folder("classifier"))
    await models.load_all()
    loaded = models.entries[0].ready()
    await models.close()
    items = loaded.families[0].probe(loaded.artifact).items
    with pytest.raises(NotReady):
        loaded.pump.admit(items, Call(60.0))
