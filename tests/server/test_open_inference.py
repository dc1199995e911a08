"""The Open Inference Protocol on a real channel: tensors of every form in, MLflow's predictions out, errors as statuses."""

import asyncio
import json
import struct
from typing import Any

import grpc
import numpy as np
import pytest

from savor.oip import open_inference_pb2 as pb
from savor.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from savor.server.app import App
from savor.server.settings import read_settings
from tests import tiny_models
from tests.parity.oracle import pyfunc

MODELS = ("classifier", "encoder", "reader", "generator", "entailer", "llm-chat", "llm-embeddings", "ctc")
DTYPES = {"INT64": "<i8", "INT32": "<i4", "FP32": "<f4", "FP64": "<f8", "BOOL": "?"}


@pytest.fixture(scope="module")
def stub(serving):
    with grpc.insecure_channel(serving(*MODELS).target) as channel:
        yield GRPCInferenceServiceStub(channel)


def tensor(name: str, values: list[Any], shape: list[int] | None = None) -> pb.ModelInferRequest.InferInputTensor:
    """An input of texts or bytes."""
    contents = pb.InferTensorContents(bytes_contents=[v.encode() if isinstance(v, str) else v for v in values])
    return pb.ModelInferRequest.InferInputTensor(
        name=name, datatype="BYTES", shape=shape or [len(values)], contents=contents
    )


def parameter(value: Any) -> pb.InferParameter:
    fields = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}
    return pb.InferParameter(**{fields[type(value)]: value})


def request(model: str, *inputs: Any, **params: Any) -> pb.ModelInferRequest:
    parameters = {name: parameter(value) for name, value in params.items()}
    return pb.ModelInferRequest(model_name=model, inputs=inputs, parameters=parameters)


def elements(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def outputs(response: pb.ModelInferResponse) -> dict[str, Any]:
    """The outputs by name: arrays, or lists of texts."""
    read: dict[str, Any] = {}
    for described, data in zip(response.outputs, response.raw_output_contents, strict=True):
        if described.datatype == "BYTES":
            read[described.name] = [element.decode() for element in elements(data)]
            assert list(described.shape) == [len(read[described.name])]
        else:
            read[described.name] = np.frombuffer(data, DTYPES[described.datatype]).reshape(described.shape)
    return read


def refusal(stub: GRPCInferenceServiceStub, asked: pb.ModelInferRequest) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(asked)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return caught.value.details()


def test_a_data_frame_comes_back_column_by_column(stub) -> None:
    found = outputs(stub.ModelInfer(request("classifier", tensor("any name", ["a", "the License"]))))
    expected = pyfunc("classifier").predict(["a", "the License"])
    assert found["label"] == expected["label"].tolist()
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-6)


@pytest.mark.parametrize("shape", [[2], [2, 1]], ids=str)
def test_rows_may_stand_in_a_column(stub, shape: list[int]) -> None:
    found = outputs(stub.ModelInfer(request("classifier", tensor("text", ["a", "b"], shape))))
    assert len(found["label"]) == 2


def test_raw_contents_mean_the_same(stub) -> None:
    typed = request("classifier", tensor("text", ["a", "bc"]))
    raw = request("classifier", pb.ModelInferRequest.InferInputTensor(name="text", datatype="BYTES", shape=[2]))
    raw.raw_input_contents.append(b"\x01\0\0\0a\x02\0\0\0bc")
    assert stub.ModelInfer(raw) == stub.ModelInfer(typed)


def test_an_array_comes_back_as_it_is(stub) -> None:
    [found] = outputs(stub.ModelInfer(request("encoder", tensor("text", ["the License"])))).values()
    np.testing.assert_allclose(found, pyfunc("encoder").predict(["the License"]), rtol=1e-5, atol=1e-5)


def test_columns_go_by_name_in_any_order(stub) -> None:
    context, question = tensor("context", ["You grant", "I may"]), tensor("question", ["who?", "what?"])
    expected = pyfunc("reader").predict(
        [{"question": "who?", "context": "You grant"}, {"question": "what?", "context": "I may"}]
    )
    assert outputs(stub.ModelInfer(request("reader", context, question))) == {"predictions": expected}


def test_a_list_as_json_in_a_text(stub) -> None:
    given = {"sequences": "the License", "candidate_labels": '["a", "b"]', "hypothesis_template": "It is {}."}
    found = outputs(stub.ModelInfer(request("entailer", *(tensor(name, [text]) for name, text in given.items()))))
    expected = pyfunc("entailer").predict(given)
    assert found["labels"] == expected["labels"].tolist()
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-6)


def test_parameters_are_params(stub) -> None:
    params = {"max_new_tokens": 3, "return_full_text": False, "temperature": 0.5, "unknown": "dropped"}
    found = outputs(stub.ModelInfer(request("generator", tensor("prompt", ["the License"]), **params)))
    assert found["predictions"] == pyfunc("generator").predict(["the License"], params=params)


def test_a_chat_is_json_and_so_is_its_answer(stub) -> None:
    messages = tensor("messages", [json.dumps([{"role": "user", "content": "hi"}])])
    most = pb.ModelInferRequest.InferInputTensor(
        name="max_tokens", datatype="INT64", shape=[1], contents=pb.InferTensorContents(int64_contents=[3])
    )
    [answer] = outputs(stub.ModelInfer(request("llm-chat", messages, most)))["predictions"]
    [expected] = pyfunc("llm-chat").predict({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3})
    assert json.loads(answer)["choices"] == expected["choices"]


def test_embeddings_are_one_json_text(stub) -> None:
    [answer] = outputs(stub.ModelInfer(request("llm-embeddings", tensor("input", ["a", "b"]))))["predictions"]
    assert len(json.loads(answer)["data"]) == 2


def test_an_output_may_be_asked_for(stub) -> None:
    asked = request("classifier", tensor("text", ["a"]))
    asked.outputs.add(name="score")
    assert outputs(stub.ModelInfer(asked)).keys() == {"score"}
    asked.outputs.add(name="logits")
    assert "outputs[1].name: is not given; the model gave label, score" in refusal(stub, asked)


def test_the_id_and_the_version_come_back(stub) -> None:
    asked = request("classifier", tensor("text", ["a"]))
    asked.id = "seven"
    response = stub.ModelInfer(asked)
    assert (response.id, response.model_name) == ("seven", "classifier")
    asked.model_version = response.model_version
    assert stub.ModelInfer(asked) == response


def of(datatype: str, shape: list[int], **contents: Any) -> pb.ModelInferRequest.InferInputTensor:
    return pb.ModelInferRequest.InferInputTensor(
        name="text", datatype=datatype, shape=shape, contents=pb.InferTensorContents(**contents)
    )


TEXT = {"bytes_contents": [b"a"]}
WRONG = [
    pytest.param([], "inputs: is empty", id="nothing"),
    pytest.param([of("TEXT", [1], **TEXT)], "inputs[0].datatype: 'TEXT' is not one of BOOL", id="an unknown type"),
    pytest.param([of("BYTES", [2], **TEXT)], "inputs[0].shape: has 2 elements, and 1 came", id="too few elements"),
    pytest.param([of("BYTES", [-1], **TEXT)], "inputs[0].shape: is [-1]", id="a negative size"),
    pytest.param([of("BYTES", [], **TEXT)], "inputs[0].shape: is []", id="no shape"),
    pytest.param([of("BYTES", [1, 1, 1], **TEXT)], "inputs.text: has the shape [1, 1, 1]", id="no rows"),
    pytest.param([of("FP32", [1], **TEXT)], "FP32 belongs into fp32_contents, not bytes_contents", id="another field"),
    pytest.param([of("FP16", [1], fp32_contents=[1])], "send it in raw_input_contents", id="16 bits"),
    pytest.param([of("UINT8", [1], uint_contents=[256])], "holds a number beyond UINT8", id="a number too large"),
    pytest.param([of("BYTES", [1], bytes_contents=[b"\xff"])], "no UTF-8 text", id="no text"),
    pytest.param([of("INT64", [1], int64_contents=[1])], "Can not safely convert int64", id="MLflow's own word"),
    pytest.param([of("BYTES", [1], **TEXT)] * 2, "inputs[1].name: 'text' is there twice", id="a name twice"),
    pytest.param([tensor("a", ["a"]), tensor("b", ["b"])], "has 2 tensors; the model takes 1", id="too many"),
]


@pytest.mark.parametrize(("inputs", "words"), WRONG)
def test_a_wrong_tensor_is_refused(stub, inputs: list[Any], words: str) -> None:
    assert words in refusal(stub, request("classifier", *inputs))


RAW = [
    pytest.param("BYTES", b"\x05\0\0\0abc", "end within an element", id="an element cut short"),
    pytest.param("BYTES", b"\x05\0", "end within an element", id="a length cut short"),
    pytest.param("FP32", b"abc", "no whole number of FP32", id="part of a number"),
]


@pytest.mark.parametrize(("datatype", "data", "words"), RAW)
def test_raw_contents_that_do_not_fit_are_refused(stub, datatype: str, data: bytes, words: str) -> None:
    asked = request("classifier", pb.ModelInferRequest.InferInputTensor(name="text", datatype=datatype, shape=[1]))
    asked.raw_input_contents.append(data)
    assert words in refusal(stub, asked)


def test_raw_contents_are_one_for_each_input(stub) -> None:
    asked = request("classifier", pb.ModelInferRequest.InferInputTensor(name="text", datatype="BYTES", shape=[1]))
    asked.raw_input_contents.extend([b"", b""])
    assert "has 2 entries for 1 inputs" in refusal(stub, asked)


def test_columns_must_be_of_one_length(stub) -> None:
    asked = request("reader", tensor("question", ["who?"]), tensor("context", ["a", "b"]))
    assert "inputs: differ in their rows: question 1, context 2" in refusal(stub, asked)


def test_a_missing_column_is_named(stub) -> None:
    assert "missing inputs" in refusal(stub, request("reader", tensor("question", ["who?"])))


def test_a_list_that_is_no_json_is_named(stub) -> None:
    assert "inputs.messages: must be JSON text" in refusal(stub, request("llm-chat", tensor("messages", ["hi"])))


def test_a_parameter_without_a_value_is_named(stub) -> None:
    asked = request("classifier", tensor("text", ["a"]))
    asked.parameters["top_k"].SetInParent()
    assert "parameters.top_k: has no value" in refusal(stub, asked)


def test_bytes_that_are_no_recording_are_the_callers(stub) -> None:
    assert "can't be decoded" in refusal(stub, request("ctc", tensor("audio", [b"\xff\xfe"])))


UNKNOWN = [
    pytest.param("ModelInfer", pb.ModelInferRequest(model_name="nobody"), id="ModelInfer"),
    pytest.param("ModelInfer", pb.ModelInferRequest(model_name="classifier", model_version="9"), id="a version"),
    pytest.param("ModelReady", pb.ModelReadyRequest(name="nobody"), id="ModelReady"),
    pytest.param("ModelMetadata", pb.ModelMetadataRequest(name="nobody"), id="ModelMetadata"),
]


@pytest.mark.parametrize(("rpc", "asked"), UNKNOWN)
def test_an_unknown_model_is_not_found(stub, rpc: str, asked: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        getattr(stub, rpc)(asked)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


METADATA = [
    pytest.param("classifier", [("inputs", "BYTES", [-1])], [("label", "BYTES", [-1]), ("score", "FP64", [-1])]),
    pytest.param("reader", [("question", "BYTES", [-1]), ("context", "BYTES", [-1])], [("predictions", "BYTES", [-1])]),
    pytest.param("llm-embeddings", [("input", "BYTES", [-1])], [("predictions", "BYTES", [-1])]),
]


@pytest.mark.parametrize(("model", "inputs", "given"), METADATA, ids=["classifier", "reader", "llm-embeddings"])
def test_metadata_says_what_the_signature_says(stub, model: str, inputs: list[Any], given: list[Any]) -> None:
    metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name=model))
    assert (metadata.name, metadata.platform) == (model, "mlflow_transformers")
    assert len(metadata.versions) == 1
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == inputs
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.outputs] == given


def test_the_server_is_live_and_ready(stub) -> None:
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert stub.ModelReady(pb.ModelReadyRequest(name="classifier")).ready
    assert stub.ServerMetadata(pb.ServerMetadataRequest()).name == "savor"


async def test_a_model_that_loads_is_not_ready() -> None:
    flags = {
        "models": [{"uri": str(tiny_models.saved("classifier")), "name": "classifier"}],
        "server": {"port": 0, "drain_delay_s": 0},
    }
    app = App(read_settings(None, flags))
    await app.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        stub = GRPCInferenceServiceStub(channel)
        assert (await stub.ServerLive(pb.ServerLiveRequest())).live
        assert not (await stub.ServerReady(pb.ServerReadyRequest())).ready
        assert not (await stub.ModelReady(pb.ModelReadyRequest(name="classifier"))).ready
        assert not (await stub.ModelReady(pb.ModelReadyRequest(name="classifier", version="1"))).ready
        with pytest.raises(grpc.RpcError) as caught:
            await stub.ModelMetadata(pb.ModelMetadataRequest(name="classifier"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        await app.load()
        assert (await stub.ServerReady(pb.ServerReadyRequest())).ready
    await app.stop(asyncio.Event())
