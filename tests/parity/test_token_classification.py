"""ClassifyTokens against mlflow.pyfunc: same labels in the same order, and the sane thing where MLflow has a defect."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models import infer_signature

from savor import codec
from savor.v1 import token_classification_pb2 as pb
from savor.v1.token_classification_pb2_grpc import TokenClassificationServiceStub
from tests import tiny_models, tiny_pipelines
from tests.parity.oracle import pyfunc

pytestmark = pytest.mark.filterwarnings("ignore:.*real words")

MODELS = ("tagger", "tagger-grouping")
TEXTS = [
    "Ada Lovelace lives in Paris.",
    "x",
    "  blanks around  ",
    "ünïcödé 日本語 🙂",
    "'quoted'",
    "123",
    "a\nb",
    "{braces}",
]
LONG = "Copyright owners and the Licensor shall mean the legal entity that is granting this. " * 9


@pytest.fixture(scope="module")
def with_params(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tagger whose signature has parameters."""
    params = {"aggregation_strategy": "none", "ignore_labels": ["O"], "stride": 9}
    config = {"aggregation_strategy": "simple"}
    folder = Path(tmp_path_factory.mktemp("tagger"), "tagger-with-params")
    signature = infer_signature("a", "b", {**params, "aggregation_strategy": "max"})
    return str(tiny_models.save(tiny_pipelines.tagger(), folder, signature=signature, model_config=config))


@pytest.fixture(scope="module")
def stub(serving, with_params):
    with grpc.insecure_channel(serving(*MODELS, with_params).target) as channel:
        yield TokenClassificationServiceStub(channel)


def classify(stub: Any, model: str, *texts: str, **fields: Any) -> pb.ClassifyTokensResponse:
    return stub.ClassifyTokens(pb.ClassifyTokensRequest(model=Path(model).name, inputs=texts, **fields))


def flat(response: pb.ClassifyTokensResponse) -> list[str]:
    """The labels of each text joined by commas, as MLflow's list of texts."""
    return [",".join(entity.label for entity in result.entities) for result in response.results]


def extra(**values: Any) -> pb.TokenClassificationParameters:
    return pb.TokenClassificationParameters(extra={key: codec.to_param_value(value) for key, value in values.items()})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_one_text(stub: Any, model: str, text: str) -> None:
    assert flat(classify(stub, model, text)) == pyfunc(model).predict(text)


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_in_order(stub: Any, model: str) -> None:
    expected = pyfunc(model).predict(TEXTS)
    assert len(set(expected)) > 1
    assert flat(classify(stub, model, *TEXTS)) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=20).map(lambda text: "x" + text), min_size=1, max_size=5))
def test_any_text(stub: Any, texts: list[str]) -> None:
    answered = flat(classify(stub, "tagger", *texts))
    if "" in answered:  # B3, below
        with pytest.raises(IndexError):
            pyfunc("tagger").predict(texts)
    else:
        assert answered == pyfunc("tagger").predict(texts)


def test_the_requests_strategy_is_the_saved_one_of_another_model(stub: Any) -> None:
    strategy = pb.AGGREGATION_STRATEGY_SIMPLE
    assert flat(classify(stub, "tagger", *TEXTS, aggregation_strategy=strategy)) == pyfunc("tagger-grouping").predict(
        TEXTS
    )


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"aggregation_strategy": "simple"},
        {"aggregation_strategy": "first", "ignore_labels": ["PER"]},
        {"ignore_labels": []},
        {"stride": 30},
    ],
    ids=str,
)
def test_parameters(stub: Any, with_params: str, params: dict[str, Any]) -> None:
    """The texts are read in windows: the signature says so."""
    texts = [LONG, TEXTS[0]]
    expected = pyfunc(with_params).predict(texts, params=params)
    assert flat(classify(stub, with_params, *texts, parameters=extra(**params))) == expected


def test_a_long_text_is_cut_with_a_warning(stub: Any) -> None:
    response = classify(stub, "tagger", LONG)
    assert flat(response) == pyfunc("tagger").predict(LONG)
    assert response.warnings[0].startswith("inputs[0]: the model reads 64 tokens")


def test_places_are_code_points_of_the_text(stub: Any) -> None:
    text = "🙂🙂 Ada"
    entities = classify(stub, "tagger", text).results[0].entities
    assert [text[entity.start : entity.end] for entity in entities[-2:]] == ["d", "a"]
    assert entities[-1].end == len(text)
    assert all(entity.HasField("token_index") for entity in entities)
    grouped = classify(stub, "tagger-grouping", text).results[0].entities
    assert not any(entity.HasField("token_index") for entity in grouped)


def test_a_text_without_entities_gets_none(stub: Any) -> None:
    """B3: MLflow fails on such a text, and on every batch that has one; the typed door gives an empty list."""
    for texts in ("", ["", "Ada"]):
        with pytest.raises(IndexError):
            pyfunc("tagger").predict(texts)
    empty, named = classify(stub, "tagger", "", "Ada").results
    assert (len(empty.entities), len(named.entities) > 0) == (0, True)
    assert [",".join(entity.label for entity in named.entities)] == pyfunc("tagger").predict("Ada")


def test_a_wrong_parameter_is_the_callers_mistake(stub: Any, with_params: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        classify(stub, with_params, "a", parameters=extra(aggregation_strategy="most"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "parameters.aggregation_strategy: is 'most'" in caught.value.details()
