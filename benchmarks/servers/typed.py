"""Calls of `TextClassificationService.ClassifyText` over one gRPC channel, with the bare stubs.

Savor serves it, and so does the program that Ray Serve runs: both are called with the same messages.
"""

import asyncio
from collections.abc import Sequence

import grpc.aio

from benchmarks.answers import Answer
from benchmarks.servers.target import CallFailed
from savor.v1.text_classification_pb2 import ClassifyTextRequest, TextClassificationInput
from savor.v1.text_classification_pb2_grpc import TextClassificationServiceStub

_PROBE, _PAUSE_S, _CALL_S = "Is anybody there?", 0.1, 60.0


class TypedCalls:
    """A channel to a server on this machine."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address)
        self._stub = TextClassificationServiceStub(self._channel)

    async def classify(self, texts: Sequence[str], timeout_s: float = _CALL_S) -> list[Answer]:
        """The best label of each text. Raises CallFailed."""
        request = ClassifyTextRequest(inputs=[TextClassificationInput(text=text) for text in texts])
        try:
            reply = await self._stub.ClassifyText(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise CallFailed(f"{error.code().name}: {error.details()}"[:300], error.code().name) from error
        return [Answer(result.labels[0].label, result.labels[0].score) for result in reply.results]

    async def answers(self) -> None:
        """Waits until the server gives an answer."""
        while True:
            try:
                await self.classify([_PROBE], timeout_s=5.0)
                return
            except CallFailed:
                await asyncio.sleep(_PAUSE_S)

    async def close(self) -> None:
        """Ends what is under way."""
        await self._channel.close()
