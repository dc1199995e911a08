"""The client for asyncio: each method builds its request, awaits the answer and gives it as a reply.

The methods are the calls of `calls`, which hold their arguments and docstrings; this module says how each kind is sent.
"""

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from types import GenericAlias, TracebackType
from typing import Any, Concatenate, Self, TypeAlias

import grpc
import grpc.aio

from savor.client import calls
from savor.client.calls import Call, P, Reply
from savor.client.channel import (
    DEFAULT_KEEPALIVE_S,
    DEFAULT_MAX_REPLY_BYTES,
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT_S,
    Tls,
    channel_credentials,
    channel_options,
    deadline_s,
)
from savor.client.errors import SavorError, own_errors
from savor.client.media_requests import piece_of_speech
from savor.client.models import ListModelsReply
from savor.client.readiness import PAUSE_S, Readiness
from savor.client.requests import Request
from savor.client.streams import AioStream
from savor.client.uploads import Upload

Samples: TypeAlias = Iterable[bytes] | AsyncIterable[bytes]


def connect_aio(
    target: str,
    *,
    tls: Tls | None = None,
    timeout_s: float | None = DEFAULT_TIMEOUT_S,
    retries: int = DEFAULT_RETRIES,
    keepalive_s: float | None = DEFAULT_KEEPALIVE_S,
    max_reply_bytes: int = DEFAULT_MAX_REPLY_BYTES,
) -> "AioClient":
    """An asyncio client of the server at `target`, for the event loop that runs now. The rest is as for `connect`."""
    options = channel_options(tls=tls, retries=retries, keepalive_s=keepalive_s, max_reply_bytes=max_reply_bytes)
    if tls is None:
        return AioClient(grpc.aio.insecure_channel(target, options), timeout_s=timeout_s)
    return AioClient(grpc.aio.secure_channel(target, channel_credentials(tls), options), timeout_s=timeout_s)


def _unary(call: Call[P, Reply]) -> Callable[Concatenate["AioClient", P], Coroutine[Any, Any, Reply]]:
    async def method(client: "AioClient", /, *args: P.args, **kwargs: P.kwargs) -> Reply:
        return await client._invoke(call, call.build(*args, **kwargs))

    return call.named(method, call.reply)


def _reading_files(call: Call[P, Reply]) -> Callable[Concatenate["AioClient", P], Coroutine[Any, Any, Reply]]:
    """As `_unary`, with a request that is built in a thread, because that may read files."""

    async def method(client: "AioClient", /, *args: P.args, **kwargs: P.kwargs) -> Reply:
        return await client._invoke(call, await asyncio.to_thread(call.build, *args, **kwargs))

    return call.named(method, call.reply)


def _streaming(call: Call[P, Reply]) -> Callable[Concatenate["AioClient", P], AioStream[Reply]]:
    def method(client: "AioClient", /, *args: P.args, **kwargs: P.kwargs) -> AioStream[Reply]:
        return client._open(call, call.build(*args, **kwargs))

    return call.named(method, GenericAlias(AioStream, call.reply))


def _dialogue(call: Call[P, Reply]) -> Callable[Concatenate["AioClient", Samples, P], AioStream[Reply]]:
    def method(client: "AioClient", samples: Samples, /, *args: P.args, **kwargs: P.kwargs) -> AioStream[Reply]:
        return client._converse(call, call.build(*args, **kwargs), samples)

    return call.named(method, GenericAlias(AioStream, call.reply), "samples")


class AioClient:
    """Calls to one server from one event loop. What the methods have in common is as for `Client`.

    Cancelling the task that awaits a method, or a stream's next reply, cancels the call.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_s: float | None = None) -> None:
        self._channel = channel
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancels the calls under way and closes the channel."""
        await self._channel.close()

    async def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Waits until the server answers and every model of it is ready.

        Raises DeadlineExceeded after `timeout_s` seconds, with what is missing, and at once what waiting does not mend.
        """
        wait = Readiness(timeout_s)
        for left_s in wait.looks():
            if wait.reached(await self._look(left_s)):
                return
            await asyncio.sleep(PAUSE_S)

    classify_text = _unary(calls.CLASSIFY_TEXT)
    classify_tokens = _unary(calls.CLASSIFY_TOKENS)
    classify_zero_shot = _unary(calls.CLASSIFY_ZERO_SHOT)
    fill_mask = _unary(calls.FILL_MASK)
    extract_features = _unary(calls.EXTRACT_FEATURES)
    embed_text = _unary(calls.EMBED_TEXT)

    answer_question = _unary(calls.ANSWER_QUESTION)
    answer_table_question = _unary(calls.ANSWER_TABLE_QUESTION)

    generate_text = _unary(calls.GENERATE_TEXT)
    stream_generate_text = _streaming(calls.STREAM_GENERATE_TEXT)
    transform_text = _unary(calls.TRANSFORM_TEXT)
    stream_transform_text = _streaming(calls.STREAM_TRANSFORM_TEXT)
    summarize_text = _unary(calls.SUMMARIZE_TEXT)
    stream_summarize_text = _streaming(calls.STREAM_SUMMARIZE_TEXT)
    translate_text = _unary(calls.TRANSLATE_TEXT)
    stream_translate_text = _streaming(calls.STREAM_TRANSLATE_TEXT)
    complete_chat = _unary(calls.COMPLETE_CHAT)
    stream_complete_chat = _streaming(calls.STREAM_COMPLETE_CHAT)

    recognize_speech = _reading_files(calls.RECOGNIZE_SPEECH)
    stream_recognize_speech = _dialogue(calls.STREAM_RECOGNIZE_SPEECH)
    classify_audio = _reading_files(calls.CLASSIFY_AUDIO)
    classify_image = _reading_files(calls.CLASSIFY_IMAGE)

    predict = _reading_files(calls.PREDICT)
    list_models = _unary(calls.LIST_MODELS)
    get_model = _unary(calls.GET_MODEL)

    async def _invoke(self, call: Call[P, Reply], request: Request) -> Reply:
        message = call.message(request)
        method = self._channel.unary_unary(call.path, calls.serialize, call.parse)
        with own_errors():
            response = await method(message, timeout=deadline_s(request.timeout_s, self._timeout_s))
        return call.read(response)

    def _open(self, call: Call[P, Reply], request: Request) -> AioStream[Reply]:
        message = call.message(request)
        method = self._channel.unary_stream(call.path, calls.serialize, call.parse)
        with own_errors():
            return AioStream(call, method(message, timeout=deadline_s(request.timeout_s, self._timeout_s)))

    def _converse(self, call: Call[P, Reply], request: Request, samples: Samples) -> AioStream[Reply]:
        upload = Upload(call.message(request), piece_of_speech)
        method = self._channel.stream_stream(call.path, calls.serialize, call.parse)
        with own_errors():
            rpc = method(upload.aio_messages(samples), timeout=deadline_s(request.timeout_s, self._timeout_s))
        return AioStream(call, rpc, upload)

    async def _look(self, left_s: float) -> ListModelsReply | SavorError:
        try:
            return await self.list_models(timeout_s=left_s)
        except SavorError as error:
            return error
