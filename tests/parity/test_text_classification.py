"""ClassifyText against mlflow.pyfunc: same labels and scores, and the sane thing where MLflow has a defect."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savor.client import Client, TextPair, connect
from tests.parity.oracle import labels, pyfunc, rows

MODELS = ("classifier", "classifier-multilabel", "classifier-regression")

TEXTS = [
    "a",
    "Licensed under the terms",
    "  blanks around  ",
    "",
    "ünïcödé 日本語 🙂",
    "{braces} {prompt}",
    'say "hi"',
    "a\nb",
]


@pytest.fixture(scope="module")
def client(serving):
    with connect(serving(*MODELS, "classifier-with-params").target) as connected:
        yield connected


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_one_text(client: Client, model: str, text: str) -> None:
    assert labels(client.classify_text(text, model=model)) == [
        (label, pytest.approx(score, abs=1e-5)) for label, score in rows(pyfunc(model).predict(text))
    ]


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_in_order(client: Client, model: str) -> None:
    expected = rows(pyfunc(model).predict(TEXTS))
    answered = labels(client.classify_text(TEXTS, model=model))
    assert answered == [(label, pytest.approx(score, abs=1e-5)) for label, score in expected]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=14).map(lambda text: "x" + text), min_size=1, max_size=5))
def test_any_text(client: Client, texts: list[str]) -> None:
    # Short enough for the model, whatever the characters: beyond its positions MLflow fails in torch. The x in front
    # keeps a text from being a Python literal: see test_a_literal_is_text.
    expected = rows(pyfunc("classifier").predict(texts))
    answered = labels(client.classify_text(texts, model="classifier"))
    assert answered == [(label, pytest.approx(score, abs=1e-5)) for label, score in expected]


def test_top_k_of_the_signature_is_the_default(client: Client) -> None:
    expected = pyfunc("classifier-with-params").predict("hello").iloc[0]
    answered = client.classify_text("hello", model="classifier-with-params").results[0].labels
    assert [(label.label, label.score) for label in answered] == [
        (cell["label"], pytest.approx(cell["score"], abs=1e-5)) for cell in expected
    ]


@pytest.mark.parametrize(
    "params", [{"top_k": 3}, {"top_k": 1, "function_to_apply": "sigmoid"}, {"top_k": None}], ids=str
)
def test_parameters(client: Client, params: dict[str, object]) -> None:
    expected = pyfunc("classifier-with-params").predict("hello", params=params).iloc[0]
    reply = client.classify_text("hello", model="classifier-with-params", parameters=params)
    assert [(label.label, label.score) for label in reply.results[0].labels] == [
        (cell["label"], pytest.approx(cell["score"], abs=1e-5)) for cell in expected
    ]
    assert reply.warnings == ()


def test_parameters_without_a_schema_are_dropped_with_a_warning(client: Client) -> None:
    reply = client.classify_text("hello", model="classifier", parameters={"function_to_apply": "none"})
    assert labels(reply) == [
        (label, pytest.approx(score)) for label, score in rows(pyfunc("classifier").predict("hello"))
    ]
    assert "function_to_apply" in reply.warnings[0]


@pytest.mark.parametrize("text", ["'hello'", "{'text':'x','text_pair':'y'}", "'a' 'b'"], ids=repr)
def test_a_literal_is_text(client: Client, text: str) -> None:
    """B1: MLflow evaluates strings that are Python literals; the typed door never does."""
    plain = labels(client.classify_text(["x", text], model="classifier"))[1]
    # In a batch with a longer text, sums are rounded in another order.
    assert labels(client.classify_text(text, model="classifier")) == [(plain[0], pytest.approx(plain[1], abs=1e-5))]
    assert plain[1] != pytest.approx(rows(pyfunc("classifier").predict(text))[0][1], abs=1e-5)


@pytest.mark.parametrize("text", ["123", "True", "None", "[]"])
def test_a_number_is_text(client: Client, text: str) -> None:
    """B1: MLflow fails on such a text; the typed door classifies it."""
    with pytest.raises(ValueError, match=r".+"):
        pyfunc("classifier").predict(text)
    assert len(client.classify_text(text, model="classifier").results[0].labels) == 1


def test_a_pair_is_a_pair(client: Client) -> None:
    """B2: under the default signature MLflow drops text_pair; the typed door compares both texts."""
    dropped = rows(pyfunc("classifier").predict({"text": "a", "text_pair": "b"}))
    alone, paired = labels(client.classify_text(["a", TextPair("a", "b")], model="classifier"))
    assert dropped == [(alone[0], pytest.approx(alone[1], abs=1e-5))]
    literal = json.dumps({"text": "a", "text_pair": "b"})
    assert rows(pyfunc("classifier").predict(literal)) == [(paired[0], pytest.approx(paired[1], abs=1e-5))]
