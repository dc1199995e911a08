"""zero-shot-classification: scores that are transformers' own, with labels taken as they are."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from savor.accel.eager import EagerBackend
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.families.zero_shot_classification import (
    FAMILY,
    ClassifyZeroShotRequest,
    ClassifyZeroShotResponse,
    prepare,
)
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from tests import tiny_pipelines
from tests.accel.batches import alone, together
from tests.flavor.artifacts import artifact
from tests.flavor.families.forward import answer

TEXTS = ("one text", "another: longer text 🙂 of many words", "x", " ")
LABELS = ("sport", "politics, or so", "ünïcödé", "a {brace}")
LONG = "word " * 99


def _request(*inputs: str, labels: tuple[str, ...] = LABELS, template: str | None = None, **rest: Any) -> Any:
    multi_label = rest.pop("multi", None)
    return ClassifyZeroShotRequest(inputs, rest, labels, template, multi_label)


def _open(**limits: Any) -> Artifact:
    return artifact("entailer", unknown_params=Unknown.ALLOW, limits=Limits(**limits))


def _labels(response: ClassifyZeroShotResponse) -> list[dict[str, float]]:
    """Labels with scores, in order."""
    return [
        {scored.label: pytest.approx(scored.score, abs=1e-5) for scored in each.labels} for each in response.results
    ]


def _expected(
    model: Artifact, texts: tuple[str, ...], labels: tuple[str, ...], **options: Any
) -> list[dict[str, float]]:
    records = model.pipeline(list(texts), list(labels), **options)
    return [dict(zip(record["labels"], record["scores"], strict=True)) for record in records]


def _check(model: Artifact, texts: tuple[str, ...], request: ClassifyZeroShotRequest, **options: Any) -> None:
    answered = _labels(answer(prepare(request, model), model))
    expected = _expected(model, texts, request.candidate_labels, **options)
    assert expected == answered
    assert [list(each) for each in answered] == [list(each) for each in expected]


@pytest.mark.parametrize("labels", [LABELS, LABELS[:1], LABELS[:2]], ids=["many", "one", "two"])
@pytest.mark.parametrize("multi", [None, False, True], ids=str)
def test_scores_are_the_pipelines(multi: bool | None, labels: tuple[str, ...]) -> None:
    request = _request(*TEXTS, labels=labels, multi=multi)
    _check(_open(), TEXTS, request, multi_label=bool(multi))


def test_the_scores_of_a_text_add_up_to_one_unless_several_labels_may_fit() -> None:
    model = _open()
    single, several = (answer(prepare(_request("a", multi=multi), model), model) for multi in (False, True))
    assert sum(scored.score for scored in single.results[0].labels) == pytest.approx(1)
    assert sum(scored.score for scored in several.results[0].labels) != pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, (3, 3), elements=st.floats(-30, 30, width=32)), st.booleans(), st.sampled_from([-1, 0, 1, 2]))
def test_every_place_of_entailment_is_the_pipelines(logits: Any, multi: bool, place: int) -> None:
    import torch

    pipeline = tiny_pipelines.entailer()
    named = {"contradiction": 7, "Entailment": place} if place >= 0 else {"yes": 0}
    pipeline.model.config.label2id = named
    labels = LABELS[:3]
    response = prepare(_request("a", labels=labels, multi=multi), replace(_open(), pipeline=pipeline)).decode(
        [{"output": row} for row in logits]
    )
    outputs = [
        {"candidate_label": label, "sequence": "a", "logits": torch.from_numpy(row)[None]}
        for label, row in zip(labels, logits, strict=True)
    ]
    record = pipeline.postprocess(outputs, multi_label=multi)
    assert dict(zip(record["labels"], record["scores"], strict=True)) == _labels(response)[0]


TEMPLATES = [
    pytest.param("{} it is", id="at the start"),
    pytest.param("This is {{not}} {}.", id="beside braces"),
    pytest.param("It is {0}!", id="numbered"),
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_are_filled_as_the_pipelines(template: str) -> None:
    _check(_open(), TEXTS, _request(*TEXTS, template=template), hypothesis_template=template)
    given = _request(*TEXTS, hypothesis_template=template)
    _check(_open(), TEXTS, given, hypothesis_template=template)


def test_the_requests_template_comes_first() -> None:
    request = _request("a", template="It is {}", hypothesis_template="So {}")
    _check(_open(), ("a",), request, hypothesis_template="It is {}")


@pytest.mark.parametrize(
    ("rest", "multi"),
    [
        pytest.param({"multi_label": True}, True, id="the option"),
        pytest.param({"multi_class": True}, True, id="its older name"),
        pytest.param({"multi_class": False, "multi_label": True}, False, id="the older name comes first"),
        pytest.param({"multi_label": True, "multi": False}, False, id="the request's comes first"),
        pytest.param({"multi_label": None}, False, id="a null is no value"),
    ],
)
def test_whether_several_labels_may_fit(rest: dict[str, Any], multi: bool) -> None:
    _check(_open(), ("a", "b"), _request("a", "b", **rest), multi_label=multi)


def test_a_label_with_commas_is_one_label() -> None:
    """The pipeline makes two of it where the labels are one text."""
    model = _open()
    [result] = answer(prepare(_request("a", labels=("b, c", '["d"]')), model), model).results
    assert {scored.label for scored in result.labels} == {"b, c", '["d"]'}


def test_a_label_given_twice_is_scored_twice() -> None:
    model = _open()
    [result] = answer(prepare(_request("a", labels=("b", "c", "b")), model), model).results
    record = model.pipeline("a", ["b", "c", "b"])
    assert [scored.label for scored in result.labels] == record["labels"]


def test_texts_are_cut_and_labels_are_not() -> None:
    model = _open()
    prepared = prepare(_request(LONG, labels=("a", "b c d e f")), model)
    ends = [model.pipeline.tokenizer.decode(item.arrays["input_ids"]) for item in prepared.items]
    assert [item.length for item in prepared.items] == [64, 64]
    assert [text.endswith(end) for text, end in zip(ends, ("is a.[SEP]", "is b c d e f.[SEP]"), strict=True)] == [
        True
    ] * 2
    _check(model, (LONG,), _request(LONG))


def test_each_pair_is_an_item() -> None:
    prepared = prepare(_request("a", "b", "c"), _open())
    assert len(prepared.items) == 3 * len(LABELS)
    assert len({(item.run, item.alike) for item in prepared.items}) == 1


BAD = [
    pytest.param(_request(), {}, "inputs", id="no inputs"),
    pytest.param(_request("a", ""), {}, "inputs[1]", id="an empty text"),
    pytest.param(_request("a", "bbb"), {"max_text_chars": 2}, "inputs[1]", id="too many characters"),
    pytest.param(_request("a", labels=()), {}, "candidate_labels", id="no labels"),
    pytest.param(
        _request("a", labels=("b", "ccc")), {"max_text_chars": 2}, "candidate_labels[1]", id="too many in a label"
    ),
    pytest.param(
        _request("a", labels=("b",), template="ccc {}"),
        {"max_text_chars": 2},
        "hypothesis_template",
        id="in a template",
    ),
    pytest.param(_request("a", "b", "c"), {"max_inputs": 11}, "candidate_labels", id="too many pairs"),
    pytest.param(
        _request("a" * 90, labels=tuple("abcdefghijklmnopq"), template="{}"),
        {"max_text_chars": 90},
        "inputs",
        id="too many characters of all pairs",
    ),
    pytest.param(
        _request("a", labels=tuple("abcdefghijklmnopq"), template="a" * 88 + "{}"),
        {"max_text_chars": 90},
        "inputs",
        id="too many characters of the template",
    ),
    pytest.param(_request("a", labels=("b", LONG)), {}, "candidate_labels[1]", id="a label that leaves no room"),
    pytest.param(_request("a", template=""), {}, "hypothesis_template", id="no template"),
    pytest.param(_request("a", template="so it is"), {}, "hypothesis_template", id="no place"),
    pytest.param(_request("a", template="{{}}"), {}, "hypothesis_template", id="braces alone"),
    pytest.param(_request("a", template="{} {}"), {}, "hypothesis_template", id="two places"),
    pytest.param(_request("a", template="{0} {0}"), {}, "hypothesis_template", id="one place twice"),
    pytest.param(_request("a", template="{0.__class__}"), {}, "hypothesis_template", id="an attribute"),
    pytest.param(_request("a", template="{[0]}"), {}, "hypothesis_template", id="an element"),
    pytest.param(_request("a", template="{label}"), {}, "hypothesis_template", id="a name"),
    pytest.param(_request("a", template="{1}"), {}, "hypothesis_template", id="another number"),
    pytest.param(_request("a", template="{:>999999999}"), {}, "hypothesis_template", id="a width"),
    pytest.param(_request("a", template="{!r}"), {}, "hypothesis_template", id="a conversion"),
    pytest.param(_request("a", template="{:{}}"), {}, "hypothesis_template", id="a place in a place"),
    pytest.param(_request("a", template="{"), {}, "hypothesis_template", id="an open brace"),
    pytest.param(_request("a", hypothesis_template="so"), {}, "parameters.hypothesis_template", id="the option"),
    pytest.param(_request("a", hypothesis_template=1), {}, "parameters.hypothesis_template", id="no text"),
    pytest.param(_request("a", multi_label="yes"), {}, "parameters.multi_label", id="no truth value"),
]


@pytest.mark.parametrize(("request_", "limits", "field"), BAD)
def test_what_can_not_be_used_is_named(request_: ClassifyZeroShotRequest, limits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(request_, _open(**limits))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_the_longest_label_that_leaves_room_does() -> None:
    """The template takes tokens too; one token more is refused, and the tokenizer's own words are never seen."""
    model = _open()
    tokenizer = model.pipeline.tokenizer
    added = len(tokenizer("", "This example is .")["input_ids"])
    label = "x" * (64 - added)
    assert len(tokenizer("", f"This example is {label}.")["input_ids"]) <= 64
    with pytest.raises(InvalidInput, match=r"candidate_labels\[0\]: makes a sentence of \d+ tokens"):
        prepare(_request("a", labels=(label,)), model)
    assert [item.length for item in prepare(_request("a", labels=(label[1:],)), model).items] == [64]


def test_options_that_the_pipeline_passes_over_are_warned_of() -> None:
    assert prepare(_request("a", truncation=True), _open()).warnings == (
        "parameters.truncation was ignored: the pipeline takes hypothesis_template, multi_label, multi_class only",
    )
    assert prepare(_request("a", truncation=True), artifact("entailer")).warnings[0].startswith("parameters.truncation")


def test_a_row_in_a_batch_is_the_row_alone() -> None:
    model = _open()
    backend, prepared = EagerBackend(model), prepare(_request(*TEXTS, LONG), model)
    assert len({item.length for item in prepared.items}) > 3
    for whole, single in zip(together(backend, prepared.items), alone(backend, prepared.items), strict=True):
        np.testing.assert_allclose(whole["output"], single["output"], atol=1e-4)


def test_the_probe_is_a_call() -> None:
    assert answer(FAMILY.probe(_open()), _open()).results[0].labels
