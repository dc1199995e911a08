"""Calls of the Open Inference Protocol, version 2, over one gRPC channel: how MLServer and Triton are called.

The protocol has tensors only; how texts go in and labels come out is each server's own dialect.
"""

import asyncio
import json
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc.aio

from benchmarks.answers import Answer, answer_of
from benchmarks.servers.target import CallFailed
from savor.oip.open_inference_pb2 import (
    InferParameter,
    InferTensorContents,
    ModelInferRequest,
    ModelInferResponse,
    ModelReadyRequest,
)
from savor.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub

MODEL = "classifier"
_CALL_S, _PAUSE_S = 60.0, 0.2

Reader = Callable[[ModelInferResponse], list[Answer]]


@dataclass(frozen=True)
class Dialect:
    """How one server wants texts, and how it gives labels. `columns` is the number of dimensions beyond the first."""

    tensor: str
    read: Reader
    columns: tuple[int, ...] = ()
    request_parameters: Mapping[str, str] = field(default_factory=dict)
    tensor_parameters: Mapping[str, str] = field(default_factory=dict)

    def request(self, texts: Sequence[str]) -> ModelInferRequest:
        """The message that asks for the labels of these texts."""
        tensor = ModelInferRequest.InferInputTensor(
            name=self.tensor,
            datatype="BYTES",
            shape=[len(texts), *self.columns],
            parameters=_strings(self.tensor_parameters),
            contents=InferTensorContents(bytes_contents=[text.encode() for text in texts]),
        )
        return ModelInferRequest(model_name=MODEL, inputs=[tensor], parameters=_strings(self.request_parameters))


class InferenceCalls:
    """A channel to a server on this machine."""

    def __init__(self, address: str, dialect: Dialect) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = GRPCInferenceServiceStub(self._channel)
        self._dialect = dialect

    async def classify(self, texts: Sequence[str]) -> list[Answer]:
        """The best label of each text. Raises CallFailed."""
        try:
            reply = await self._stub.ModelInfer(self._dialect.request(texts), timeout=_CALL_S)
        except grpc.aio.AioRpcError as error:
            raise CallFailed(f"{error.code().name}: {error.details()}"[:300], error.code().name) from error
        try:
            return self._dialect.read(reply)
        except (ValueError, LookupError, TypeError) as error:
            raise CallFailed(f"an unknown reply: {reply!s:.200}") from error

    async def answers(self) -> None:
        """Waits until the server says that the model is ready."""
        while True:
            if await self._ready():
                return
            await asyncio.sleep(_PAUSE_S)

    async def close(self) -> None:
        """Ends what is under way."""
        await self._channel.close()

    async def _ready(self) -> bool:
        try:
            return (await self._stub.ModelReady(ModelReadyRequest(name=MODEL), timeout=5.0)).ready
        except grpc.aio.AioRpcError:
            return False


def json_objects(reply: ModelInferResponse) -> list[Answer]:
    """mlserver-huggingface: one tensor, each element the JSON of what the pipeline gave."""
    return [answer_of(json.loads(element)) for element in _texts(reply, 0)]


def columns(reply: ModelInferResponse) -> list[Answer]:
    """mlserver-mlflow and Triton: a tensor of labels and a tensor of scores."""
    places = {tensor.name.lower(): place for place, tensor in enumerate(reply.outputs)}
    scores = _numbers(reply, places["score"])
    return [Answer(label, score) for label, score in zip(_texts(reply, places["label"]), scores, strict=True)]


def _texts(reply: ModelInferResponse, place: int) -> list[str]:
    if not reply.raw_output_contents:
        return [element.decode() for element in reply.outputs[place].contents.bytes_contents]
    return [element.decode() for element in _parts(reply.raw_output_contents[place])]


def _parts(raw: bytes) -> list[bytes]:
    """The elements of a raw BYTES tensor, each after its length in four bytes, little-endian."""
    parts = []
    while raw:
        end = 4 + int.from_bytes(raw[:4], "little")
        parts.append(raw[4:end])
        raw = raw[end:]
    return parts


def _numbers(reply: ModelInferResponse, place: int) -> list[float]:
    tensor = reply.outputs[place]
    if not reply.raw_output_contents:
        return list(tensor.contents.fp64_contents or tensor.contents.fp32_contents)
    return list(array({"FP32": "f", "FP64": "d"}[tensor.datatype], reply.raw_output_contents[place]))


def _strings(parameters: Mapping[str, str]) -> dict[str, InferParameter]:
    return {name: InferParameter(string_param=value) for name, value in parameters.items()}
