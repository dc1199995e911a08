"""ClassifyZeroShot against mlflow.pyfunc: same labels and scores, and the sane thing where MLflow has a defect."""

from pathlib import Path
from typing import Any

import grpc
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models import infer_signature

from savor import codec
from savor.v1 import zero_shot_classification_pb2 as pb
from savor.v1.zero_shot_classification_pb2_grpc import ZeroShotClassificationServiceStub
from tests import tiny_models, tiny_pipelines
from tests.parity.oracle import pyfunc

TEXTS = ["one text", "  blanks around  ", "ünïcödé 日本語 🙂", "123", '["a"]', "word " * 99]
LABELS = ["sport", "politics", "so on"]
TEMPLATE = "It is about {}."
Rows = list[tuple[str, str, float]]


@pytest.fixture(scope="module")
def with_params(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An entailer that may give several labels, with a signature that needs no template and has a parameter."""
    folder = Path(tmp_path_factory.mktemp("entailer"), "entailer-with-params")
    data = {"sequences": "a", "candidate_labels": "b"}
    signature = infer_signature(data, "a", {"multi_label": True})
    return str(tiny_models.save(tiny_pipelines.entailer(), folder, signature=signature))


@pytest.fixture(scope="module")
def stub(serving, with_params):
    with grpc.insecure_channel(serving("entailer", with_params).target) as channel:
        yield ZeroShotClassificationServiceStub(channel)


def classify(stub: Any, model: str, texts: list[str], labels: list[str], **fields: Any) -> pb.ClassifyZeroShotResponse:
    request = pb.ClassifyZeroShotRequest(model=Path(model).name, inputs=texts, candidate_labels=labels, **fields)
    return stub.ClassifyZeroShot(request)


def flat(response: pb.ClassifyZeroShotResponse, texts: list[str]) -> Rows:
    """A row for each text and label, as MLflow's columns `sequence`, `labels` and `scores`."""
    return [
        (text, scored.label, pytest.approx(scored.score, abs=1e-5))
        for text, result in zip(texts, response.results, strict=True)
        for scored in result.labels
    ]


def predicted(model: str, params: dict[str, Any] | None = None, **data: Any) -> Rows:
    frame = pyfunc(model).predict(data, params=params)
    return list(zip(frame["sequence"], frame["labels"], frame["scores"], strict=True))


@pytest.mark.parametrize("labels", [LABELS, LABELS[:1]], ids=["many", "one"])
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:20]))
def test_one_text(stub: Any, text: str, labels: list[str]) -> None:
    expected = predicted("entailer", sequences=text, candidate_labels=labels, hypothesis_template=TEMPLATE)
    assert expected == flat(classify(stub, "entailer", [text], labels, hypothesis_template=TEMPLATE), [text])


def test_a_batch_in_order(stub: Any) -> None:
    expected = predicted("entailer", sequences=TEXTS, candidate_labels=LABELS, hypothesis_template=TEMPLATE)
    assert expected == flat(classify(stub, "entailer", TEXTS, LABELS, hypothesis_template=TEMPLATE), TEXTS)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=3),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=1, max_size=3, unique=True),
)
def test_any_text(stub: Any, texts: list[str], labels: list[str]) -> None:
    expected = predicted("entailer", sequences=texts, candidate_labels=labels, hypothesis_template=TEMPLATE)
    answered = classify(stub, "entailer", texts, labels, hypothesis_template=TEMPLATE)
    ordered = [sorted(rows, key=lambda row: row[1]) for rows in (expected, flat(answered, texts))]
    assert ordered[0] == ordered[1]


@pytest.mark.parametrize("params", [{}, {"multi_label": False}, {"multi_label": True}], ids=str)
def test_parameters(stub: Any, with_params: str, params: dict[str, bool]) -> None:
    expected = predicted(with_params, params, sequences=TEXTS, candidate_labels=LABELS)
    extra = {key: codec.to_param_value(value) for key, value in params.items()}
    answered = classify(stub, with_params, TEXTS, LABELS, parameters=pb.ZeroShotClassificationParameters(extra=extra))
    assert expected == flat(answered, TEXTS)


def test_without_a_template_transformers_own(stub: Any, with_params: str) -> None:
    default = classify(stub, with_params, TEXTS, LABELS)
    spelled = classify(stub, with_params, TEXTS, LABELS, hypothesis_template="This example is {}.")
    assert predicted(with_params, sequences=TEXTS, candidate_labels=LABELS) == flat(default, TEXTS)
    assert flat(default, TEXTS) == flat(spelled, TEXTS)


def test_equal_texts_are_all_answered(stub: Any) -> None:
    """B10: of rows with equal texts MLflow answers one; the typed door answers every input."""
    texts = ["a", "b", "a"]
    frame = pd.DataFrame({"sequences": texts, "candidate_labels": '["x", "y"]', "hypothesis_template": TEMPLATE})
    answered = classify(stub, "entailer", texts, ["x", "y"], hypothesis_template=TEMPLATE)
    assert list(pyfunc("entailer").predict(frame)["sequence"]) == ["a", "a", "b", "b"]
    assert [text for text, _, _ in flat(answered, texts)] == ["a", "a", "b", "b", "a", "a"]
    assert answered.results[0] == answered.results[2]


def test_labels_are_never_read_as_anything_else(stub: Any) -> None:
    """B10: rows whose lists of labels differ make MLflow take the lists' own text as labels."""
    lists = ['["x"]', '["y", "z"]']
    frame = pd.DataFrame({"sequences": ["a", "b"], "candidate_labels": lists, "hypothesis_template": TEMPLATE})
    assert set(pyfunc("entailer").predict(frame)["labels"]) == set(lists)
    # The typed door has one list for all texts; other labels are another call.
    answers = [classify(stub, "entailer", [text], own) for text, own in (("a", ["x"]), ("b", ["y", "z"]))]
    assert [{scored.label for scored in each.results[0].labels} for each in answers] == [{"x"}, {"y", "z"}]


@pytest.mark.parametrize("label", ["b, c", '["b", "c"]'], ids=["commas", "JSON"])
def test_a_label_is_one_label(stub: Any, label: str) -> None:
    """B10: MLflow splits a single label that has commas, and reads one that is JSON; the typed door takes it as it is."""
    [split, also] = predicted("entailer", sequences="a", candidate_labels=label, hypothesis_template=TEMPLATE)
    assert {split[1], also[1]} == {"b", "c"}
    [result] = classify(stub, "entailer", ["a"], [label], hypothesis_template=TEMPLATE).results
    assert [scored.label for scored in result.labels] == [label]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        pytest.param({"labels": []}, "candidate_labels: is empty", id="no labels"),
        pytest.param({"texts": ["a", ""]}, "inputs[1]: is empty", id="an empty text"),
        pytest.param({"hypothesis_template": "so"}, "hypothesis_template: is 'so'; it must have one {}", id="template"),
    ],
)
def test_what_makes_mlflow_fail_is_named(stub: Any, fields: dict[str, Any], told: str) -> None:
    """B17: MLflow's error for these has no code of its own."""
    given = {"texts": ["a"], "labels": LABELS, "hypothesis_template": TEMPLATE, **fields}
    with pytest.raises(ValueError, match=r"You must include at least one|was not able to be formatted"):
        predicted(
            "entailer",
            sequences=given["texts"],
            candidate_labels=given["labels"],
            hypothesis_template=given["hypothesis_template"],
        )
    with pytest.raises(grpc.RpcError) as caught:
        classify(stub, "entailer", **given)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert told in caught.value.details()
