"""Text2TextService against mlflow.pyfunc: transformations, summaries and translations, whole and as they come."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import pytest
from mlflow.models import infer_signature

from savor.codec import to_param_value
from savor.v1 import text2text_pb2, text2text_pb2_grpc
from tests import tiny_models, tiny_pipelines
from tests.parity.oracle import pyfunc
from tests.serving import Serving

TEXTS = ["Licensed under the Apache License", "a", "the work, and You", "x { y } 'z' \"", "  spaces  ", "日本語 text"]
MODELS = {
    "text2text": "TransformText",
    "text2text-with-template": "TransformText",
    "summarizer": "SummarizeText",
    "translator": "TranslateText",
}


@pytest.fixture(scope="module")
def stub(serving: Callable[..., Serving]):
    with grpc.insecure_channel(serving(*MODELS).target) as channel:
        yield text2text_pb2_grpc.Text2TextServiceStub(channel)


def request(rpc: str, **fields: Any):
    return getattr(text2text_pb2, f"{rpc}Request")(**fields)


def texts(response: Any) -> list[str]:
    return [result.sequences[0].text.strip() for result in response.results]


@pytest.mark.parametrize(("model", "rpc"), MODELS.items(), ids=MODELS)
@pytest.mark.parametrize("given", [*([text] for text in TEXTS), TEXTS], ids=[*TEXTS, "all at once"])
def test_the_texts_are_mlflows(stub: Any, model: str, rpc: str, given: list[str]) -> None:
    response = getattr(stub, rpc)(request(rpc, model=model, inputs=given))
    assert texts(response) == pyfunc(model).predict(given)


@pytest.mark.parametrize(("model", "rpc"), MODELS.items(), ids=MODELS)
def test_pieces_add_up_to_the_text(stub: Any, model: str, rpc: str) -> None:
    whole = getattr(stub, rpc)(request(rpc, model=model, inputs=TEXTS))
    joined = [""] * len(TEXTS)
    for response in getattr(stub, f"Stream{rpc}")(request(f"Stream{rpc}", model=model, inputs=TEXTS)):
        for delta in response.results:
            joined[delta.input] += delta.text
    assert joined == [result.sequences[0].text for result in whole.results]


def test_a_model_answers_its_own_rpc_only(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.TranslateText(text2text_pb2.TranslateTextRequest(model="summarizer", inputs=["a"]))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "Text2TextService/SummarizeText" in caught.value.details()


def test_one_pair_of_languages_can_not_be_chosen(stub: Any) -> None:
    with pytest.raises(grpc.RpcError, match="target_language"):
        stub.TranslateText(text2text_pb2.TranslateTextRequest(model="translator", inputs=["a"], target_language="fr"))


PARAMS: Mapping[str, Any] = {"max_new_tokens": 6, "num_beams": 1, "num_return_sequences": 1, "do_sample": False}
GIVEN = [
    pytest.param({}, id="the signature's own"),
    pytest.param({"max_new_tokens": 3}, id="fewer tokens"),
    pytest.param({"num_beams": 3}, id="beams"),
    pytest.param({"num_beams": 2, "max_new_tokens": 4}, id="beams of few tokens"),
]


@pytest.fixture(scope="module")
def with_params(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "text2text-with-params"
    signature = infer_signature("a", "b", dict(PARAMS))
    return str(tiny_models.save(tiny_pipelines.text2text(), folder, signature=signature))


@pytest.mark.parametrize("params", GIVEN)
def test_parameters_apply(serving: Callable[..., Serving], with_params: str, params: dict[str, Any]) -> None:
    values = {key: to_param_value(value) for key, value in params.items()}
    with grpc.insecure_channel(serving(with_params).target) as channel:
        options = text2text_pb2.Text2TextParameters(extra=values)
        response = text2text_pb2_grpc.Text2TextServiceStub(channel).TransformText(
            request("TransformText", inputs=TEXTS, parameters=options)
        )
    assert texts(response) == pyfunc(with_params).predict(TEXTS, params=params)


def test_sequences_stay_with_their_text(serving: Callable[..., Serving], with_params: str) -> None:
    """B5: MLflow gives all sequences in one flat list; the typed RPC groups them."""
    params = {"num_beams": 3, "num_return_sequences": 2}
    with grpc.insecure_channel(serving(with_params).target) as channel:
        options = text2text_pb2.Text2TextParameters(**params)
        response = text2text_pb2_grpc.Text2TextServiceStub(channel).TransformText(
            request("TransformText", inputs=TEXTS[:2], parameters=options)
        )
    grouped = [[each.text.strip() for each in result.sequences] for result in response.results]
    assert [len(group) for group in grouped] == [2, 2]
    assert [text for group in grouped for text in group] == pyfunc(with_params).predict(TEXTS[:2], params=params)


def test_a_dictionary_is_rendered_by_mlflow_alone(stub: Any) -> None:
    """B11: MLflow renders a dictionary as "key: value"; the typed RPC takes the text that was meant."""
    rendered = pyfunc("text2text").predict({"context": "the work"})
    assert texts(stub.TransformText(request("TransformText", model="text2text", inputs=["context: the work"]))) == (
        rendered
    )
