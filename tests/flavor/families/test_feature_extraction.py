"""feature-extraction: token vectors and pooled ones, every input answered."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.families.feature_extraction import (
    FAMILY,
    EmbedTextRequest,
    ExtractFeaturesRequest,
    prepare_embedding,
    prepare_features,
)
from savor.flavor.item import Prepared
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from savor.flavor.sentence import Pooling
from tests import tiny_models
from tests.flavor.artifacts import artifact
from tests.flavor.families.forward import answer

TEXTS = ("one text", "", "another: longer text 🙂")
OPEN = {"unknown_params": Unknown.ALLOW}


def _extract(*inputs: str, **parameters: Any) -> ExtractFeaturesRequest:
    return ExtractFeaturesRequest(inputs, parameters)


def _embed(*inputs: str, pooling: Pooling | None = None, normalize: bool | None = None, **parameters: Any) -> Any:
    return EmbedTextRequest(inputs, parameters, pooling, normalize)


def _pipelines(model: Artifact, texts: tuple[str, ...]) -> list[np.ndarray]:
    return [np.array(features[0], np.float32) for features in model.pipeline(list(texts))]


def test_every_input_is_answered_with_the_pipelines_vectors() -> None:
    model = artifact("encoder")
    response = answer(prepare_features(_extract(*TEXTS), model), model)
    for result, expected in zip(response.results, _pipelines(model, TEXTS), strict=True):
        assert result.features.dtype == np.float32
        np.testing.assert_allclose(result.features, expected, atol=1e-6)


def test_the_template_applies() -> None:
    model = artifact("encoder-with-template")
    filled = tuple(f"query: {text}" for text in TEXTS)
    for request, prepare in ((_extract(*TEXTS), prepare_features), (_embed(*TEXTS), prepare_embedding)):
        with_template = [item.arrays["input_ids"].tolist() for item in prepare(request, model).items]
        assert with_template == [model.pipeline.tokenizer(text)["input_ids"] for text in filled]


@pytest.mark.parametrize("normalize", [False, True], ids=["as it is", "normalised"])
@pytest.mark.parametrize("pooling", list(Pooling), ids=lambda pooling: pooling.value)
def test_pooling(pooling: Pooling, normalize: bool) -> None:
    model = artifact("encoder")
    response = answer(prepare_embedding(_embed(*TEXTS, pooling=pooling, normalize=normalize), model), model)
    for result, features in zip(response.results, _pipelines(model, TEXTS), strict=True):
        by_hand = {Pooling.MEAN: features.mean(axis=0), Pooling.CLS: features[0], Pooling.LAST: features[-1]}[pooling]
        by_hand = by_hand / np.linalg.norm(by_hand) if normalize else by_hand
        np.testing.assert_allclose(result.values, by_hand, atol=1e-6)
        assert result.values.dtype == np.float32
        assert result.token_count == len(features)


def test_without_settings_the_mean_as_it_is() -> None:
    model = artifact("encoder")
    [result] = answer(prepare_embedding(_embed("one text"), model), model).results
    np.testing.assert_allclose(result.values, _pipelines(model, ("one text",))[0].mean(axis=0), atol=1e-6)


def test_a_zero_vector_stays_zero() -> None:
    prepared = prepare_embedding(_embed("a", normalize=True), artifact("encoder"))
    tokens = prepared.items[0].length
    [result] = prepared.decode([{"output": np.zeros((tokens, 4), np.float32)}]).results
    assert result.values.tolist() == [0, 0, 0, 0]


def _with_settings(tmp_path: Path, modules: list[str], bert: dict[str, Any], **modes: bool) -> Artifact:
    """The encoder with sentence-transformers settings beside its weights."""
    folder = tiny_models.edited(tiny_models.saved("encoder"), tmp_path / "model", lambda words: None) / "model"
    kinds = [{"type": f"sentence_transformers.models.{name}", "path": name} for name in modules]
    (folder / "modules.json").write_text(json.dumps(kinds))
    (folder / "sentence_bert_config.json").write_text(json.dumps(bert))
    (folder / "Pooling").mkdir()
    (folder / "Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{k}": on for k, on in modes.items()}))
    model = artifact("encoder")
    return replace(model, saved=replace(model.saved, path=folder.parent))


def test_the_models_own_settings_apply(tmp_path: Path) -> None:
    model = _with_settings(tmp_path, ["Transformer", "Pooling", "Normalize"], {"max_seq_length": 5}, cls_token=True)
    prepared = prepare_embedding(_embed("one text that is longer than that"), model)
    assert [item.length for item in prepared.items] == [5]
    [result] = answer(prepared, model).results
    assert np.linalg.norm(result.values) == pytest.approx(1)
    own = answer(prepare_embedding(_embed("one text that is longer than that", pooling=Pooling.CLS), model), model)
    np.testing.assert_array_equal(result.values, own.results[0].values)


def test_the_request_is_over_the_models_settings(tmp_path: Path) -> None:
    model = _with_settings(tmp_path, ["Transformer", "Pooling", "Normalize"], {}, cls_token=True)
    given = answer(prepare_embedding(_embed("a", pooling=Pooling.MEAN, normalize=False), model), model).results[0]
    plain = answer(prepare_embedding(_embed("a"), artifact("encoder")), model).results[0]
    np.testing.assert_array_equal(given.values, plain.values)


def test_the_cut_is_for_embeddings_alone(tmp_path: Path) -> None:
    model = _with_settings(tmp_path, ["Transformer", "Pooling"], {"max_seq_length": 5}, mean_tokens=True)
    assert prepare_features(_extract("one text that is longer than that"), model).items[0].length > 5


def test_settings_that_are_not_served_ask_for_a_choice(tmp_path: Path) -> None:
    model = _with_settings(tmp_path, ["Transformer", "Pooling"], {}, max_tokens=True)
    with pytest.raises(
        InvalidInput, match="pooling: the model's own settings, pooling_mode_max_tokens, are not served"
    ):
        prepare_embedding(_embed("a"), model)
    prepare_embedding(_embed("a", pooling=Pooling.MEAN), model)


def test_padding_to_a_fixed_length_is_not_pooled() -> None:
    model = artifact("encoder", **OPEN)
    padded = _embed("one text", tokenize_kwargs={"padding": "max_length", "max_length": 20})
    prepared = prepare_embedding(padded, model)
    assert prepared.items[0].length == 20
    plain = answer(prepare_embedding(_embed("one text"), model), model).results[0]
    result = answer(prepared, model).results[0]
    np.testing.assert_allclose(result.values, plain.values, atol=1e-5)
    assert result.token_count == plain.token_count


OPTIONS = [
    pytest.param({"truncation": True}, 64, id="truncation"),
    pytest.param({"tokenize_kwargs": {"truncation": True, "max_length": 7}}, 7, id="tokenize_kwargs"),
    pytest.param({"tokenize_kwargs": {"max_length": 7}, "truncation": True}, 7, id="both"),
    pytest.param({"truncation": True, "frobnicate": 1}, 64, id="a key that the pipeline does not know"),
]


@pytest.mark.parametrize(("parameters", "tokens"), OPTIONS)
def test_tokenizer_options(parameters: dict[str, Any], tokens: int) -> None:
    prepared = prepare_features(_extract("word " * 99, **parameters), artifact("encoder", **OPEN))
    assert [item.length for item in prepared.items] == [tokens]


BAD = [
    pytest.param(_extract(), {}, "inputs", id="no inputs"),
    pytest.param(_extract("a", "b"), {"max_inputs": 1}, "inputs", id="too many inputs"),
    pytest.param(_extract("a", "bbb"), {"max_text_chars": 2}, "inputs[1]", id="too many characters"),
    pytest.param(_extract("a", "word " * 99), {}, "inputs[1]", id="too many tokens"),
    pytest.param(_extract("a", tokenize_kwargs=3), {}, "parameters.tokenize_kwargs", id="kwargs that are a number"),
    pytest.param(
        _extract("a", truncation=True, tokenize_kwargs={"truncation": False}), {}, "parameters.truncation", id="twice"
    ),
]


@pytest.mark.parametrize(("request_", "limits", "field"), BAD)
def test_what_can_not_be_used_is_named(request_: ExtractFeaturesRequest, limits: dict[str, Any], field: str) -> None:
    model = artifact("encoder", limits=Limits(**limits), **OPEN)
    embedding = EmbedTextRequest(request_.inputs, request_.parameters)
    for prepare, given in ((prepare_features, request_), (prepare_embedding, embedding)):
        with pytest.raises(InvalidInput) as caught:
            prepare(given, model)
        assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize("option", ["return_attention_mask", "return_token_type_ids"])
def test_inputs_that_one_caller_leaves_out_are_not_lost_to_others(option: str) -> None:
    """In a batch all items have the same arrays, so these two must not share one."""
    model = artifact("encoder", **OPEN)
    requests = (_extract("a", tokenize_kwargs={option: False}), _extract("a"))
    without, plain = (prepare_features(request, model).items[0] for request in requests)
    assert without.arrays.keys() != plain.arrays.keys()
    assert (without.run, without.alike) != (plain.run, plain.alike)


def test_embeddings_and_features_share_their_batches() -> None:
    one: Prepared = prepare_features(_extract("a"), artifact("encoder"))
    other = prepare_embedding(_embed("a", pooling=Pooling.CLS), artifact("encoder"))
    assert (one.items[0].run, one.items[0].alike) == (other.items[0].run, other.items[0].alike)


@pytest.mark.parametrize("recipe", ["encoder", "encoder-with-template"])
def test_the_probe_is_a_call(recipe: str) -> None:
    model = artifact(recipe)
    assert answer(FAMILY.probe(model), model).results[0].features.ndim == 2
