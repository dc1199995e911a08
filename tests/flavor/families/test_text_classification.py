"""text-classification: what is prepared, and scores that are transformers' own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from savor.flavor.errors import InvalidInput
from savor.flavor.families.text_classification import (
    FAMILY,
    ClassifyTextRequest,
    ClassifyTextResponse,
    TextClassificationInput,
    prepare,
)
from savor.flavor.item import Forward
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from tests import tiny_pipelines
from tests.flavor.artifacts import artifact
from tests.flavor.families.forward import answer

RECIPES = ("classifier", "classifier-multilabel", "classifier-regression")


def _request(*inputs: str | tuple[str, str], top_k: int | None = None, **parameters: Any) -> ClassifyTextRequest:
    pairs = (given if isinstance(given, tuple) else (given, None) for given in inputs)
    return ClassifyTextRequest(tuple(TextClassificationInput(*pair) for pair in pairs), parameters, top_k)


def _records(response: ClassifyTextResponse) -> list[list[dict[str, Any]]]:
    return [
        [{"label": scored.label, "score": pytest.approx(scored.score, abs=1e-6)} for scored in result.labels]
        for result in response.results
    ]


@pytest.mark.parametrize("recipe", RECIPES)
def test_scores_are_the_pipelines(recipe: str) -> None:
    model = artifact(recipe)
    texts = ["one text", "", "another: longer text 🙂"]
    response = answer(prepare(_request(*texts, top_k=0), model), model)
    assert model.pipeline(texts, top_k=None) == _records(response)


@pytest.mark.parametrize("recipe", RECIPES)
def test_one_label_by_default(recipe: str) -> None:
    model = artifact(recipe)
    response = answer(prepare(_request("one text"), model), model)
    assert [model.pipeline("one text")] == _records(response)


def test_a_single_label_is_a_sigmoid_as_the_pipelines() -> None:
    model = replace(artifact("classifier"), pipeline=tiny_pipelines.classifier(1))
    assert model.pipeline.model.config.problem_type is None
    response = answer(prepare(_request("one text"), model), model)
    assert [model.pipeline("one text")] == _records(response)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, 3, elements=st.floats(-30, 30, width=32)), st.sampled_from(["softmax", "sigmoid", "none"]))
def test_every_activation_is_the_pipelines(logits: Any, activation: str) -> None:
    import torch
    from transformers.modeling_outputs import SequenceClassifierOutput
    from transformers.pipelines.text_classification import ClassificationFunction

    model = artifact("classifier", unknown_params=Unknown.ALLOW)
    response = prepare(_request("a", top_k=0, function_to_apply=activation), model).decode([{"output": logits}])
    outputs = SequenceClassifierOutput(logits=torch.from_numpy(logits)[None])
    expected = model.pipeline.postprocess(
        outputs, function_to_apply=ClassificationFunction[activation.upper()], top_k=None, _legacy=False
    )
    assert [expected] == _records(response)


def test_pairs_are_read_as_pairs() -> None:
    model = artifact("classifier")
    response = answer(prepare(_request(("one", "two")), model), model)
    assert [[model.pipeline({"text": "one", "text_pair": "two"})]] == _records(response)
    assert response != answer(prepare(_request("one two"), model), model)


def test_pairs_and_single_texts_together() -> None:
    model = artifact("classifier")
    together = answer(prepare(_request("one", ("one", "two"), ("one", ""), "two"), model), model)
    alone = [
        answer(prepare(_request(given), model), model).results[0]
        for given in ("one", ("one", "two"), ("one", ""), "two")
    ]
    assert together.results == tuple(alone)


@pytest.mark.parametrize("text", ["'quoted'", "123", "{'text': 'x'}", "None", "b'x'", "-" * 40 + "1"], ids=repr)
def test_a_text_is_never_evaluated(text: str) -> None:
    """MLflow would read these as Python literals."""
    model = artifact("classifier")
    ids = prepare(_request(text), model).items[0].arrays["input_ids"].tolist()
    assert model.pipeline.tokenizer.decode(ids, skip_special_tokens=True) == text


TOP_K = [
    pytest.param("classifier", None, {}, 1, id="MLflow's default"),
    pytest.param("classifier", 2, {}, 2, id="the request's"),
    pytest.param("classifier", 0, {}, 3, id="all"),
    pytest.param("classifier", 99, {}, 3, id="more than there are"),
    pytest.param("classifier-with-params", None, {}, 2, id="the signature's default"),
    pytest.param("classifier-with-params", None, {"top_k": 3}, 3, id="the parameter's"),
    pytest.param("classifier-with-params", None, {"top_k": None}, 3, id="null, which means all"),
    pytest.param("classifier-with-params", 1, {"top_k": 3}, 1, id="the request's over the parameter's"),
]


@pytest.mark.parametrize(("recipe", "top_k", "parameters", "count"), TOP_K)
def test_how_many_labels(recipe: str, top_k: int | None, parameters: dict[str, Any], count: int) -> None:
    request = ClassifyTextRequest((TextClassificationInput("a"),), parameters, top_k)
    prepared = prepare(request, artifact(recipe))
    labels = prepared.decode([{"output": np.array([1.0, 3.0, 2.0], np.float32)}]).results[0].labels
    assert [label.label for label in labels] == ["LABEL_1", "LABEL_2", "LABEL_0"][:count]


def test_equal_scores_keep_the_order_of_the_labels() -> None:
    model = replace(artifact("classifier"), pipeline=tiny_pipelines.classifier(100))
    logits = np.tile(np.array([0.0, 1.0], np.float32), 50)
    labels = prepare(_request("a", top_k=0), model).decode([{"output": logits}]).results[0].labels
    assert [label.label for label in labels] == [f"LABEL_{n}" for n in (*range(1, 100, 2), *range(0, 100, 2))]


BAD = [
    pytest.param(_request(), {}, "inputs", id="no inputs"),
    pytest.param(_request("a", "b", "c"), {"max_inputs": 2}, "inputs", id="too many inputs"),
    pytest.param(_request("a", "bbb"), {"max_text_chars": 2}, "inputs[1].text", id="too many characters"),
    pytest.param(_request(("a", "bbb")), {"max_text_chars": 2}, "inputs[0].text_pair", id="too many in a pair"),
    pytest.param(_request("a", "word " * 99), {}, "inputs[1].text", id="too many tokens"),
    pytest.param(_request(("word " * 30, "word " * 30)), {}, "inputs[0].text", id="too many tokens of both"),
    pytest.param(_request("a", top_k=-1), {}, "top_k", id="fewer than no labels"),
]


@pytest.mark.parametrize(("request_", "limits", "field"), BAD)
def test_what_can_not_be_used_is_named(request_: ClassifyTextRequest, limits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(request_, artifact("classifier", limits=Limits(**limits)))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_an_activation_that_there_is_not() -> None:
    with pytest.raises(
        InvalidInput, match=r"parameters\.function_to_apply: is 'relu'; it must be one of softmax, sigmoid, none"
    ):
        prepare(_request("a", function_to_apply="relu"), artifact("classifier-with-params"))


def test_tokenizer_options_reach_the_tokenizer() -> None:
    model = artifact("classifier", unknown_params=Unknown.ALLOW)
    prepared = prepare(_request("word " * 99, truncation=True, max_length=9), model)
    assert [item.length for item in prepared.items] == [9]


def test_an_option_that_nothing_takes() -> None:
    with pytest.raises(InvalidInput, match=r"parameters\.truncation: can't be 'sometimes'"):
        prepare(_request("a", truncation="sometimes"), artifact("classifier", unknown_params=Unknown.ALLOW))


def test_dropped_parameters_are_warned_of() -> None:
    assert (
        prepare(_request("a", truncation=True), artifact("classifier")).warnings[0].startswith("parameters.truncation")
    )


def test_items_of_all_callers_share_their_batches() -> None:
    model = artifact("classifier-with-params")
    one, other = (prepare(_request("a", top_k=k), model).items[0] for k in (1, 2))
    assert (one.run, one.alike) == (other.run, other.alike)
    assert one.run == Forward()
    assert one.length == len(one.arrays["input_ids"])


@pytest.mark.parametrize("option", ["return_attention_mask", "return_token_type_ids"])
def test_inputs_that_one_caller_leaves_out_are_not_lost_to_others(option: str) -> None:
    """In a batch all items have the same arrays, so these two must not share one."""
    model = artifact("classifier", unknown_params=Unknown.ALLOW)
    without, plain = (prepare(_request("a", **given), model).items[0] for given in ({option: False}, {}))
    assert without.arrays.keys() != plain.arrays.keys()
    assert (without.run, without.alike) != (plain.run, plain.alike)


@pytest.mark.parametrize("recipe", [*RECIPES, "classifier-with-params"])
def test_the_probe_is_a_call(recipe: str) -> None:
    model = artifact(recipe)
    assert answer(FAMILY.probe(model), model).results[0].labels
