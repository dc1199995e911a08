"""The client for threads: each method builds its request, waits for the answer and gives it as a reply.

The methods are the calls of `calls`, which hold their arguments and docstrings; this module says how each kind is sent.
"""

import time
from collections.abc import Callable, Iterable
from types import GenericAlias, TracebackType
from typing import Concatenate, Self

import grpc

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
from savor.client.streams import Stream
from savor.client.uploads import Upload


def connect(
    target: str,
    *,
    tls: Tls | None = None,
    timeout_s: float | None = DEFAULT_TIMEOUT_S,
    retries: int = DEFAULT_RETRIES,
    keepalive_s: float | None = DEFAULT_KEEPALIVE_S,
    max_reply_bytes: int = DEFAULT_MAX_REPLY_BYTES,
) -> "Client":
    """A client of the server at `target`, such as "localhost:8001" or "dns:///models.example.org:443".

    It connects with its first call. `tls` is None for a channel in the clear; `timeout_s` is what calls have that set
    none of their own, None for no limit. A call that found no server, a model still loading or a full queue is tried
    again up to `retries` times (0 to 4) within its timeout, after 0.1 s and then longer, or when the server says.
    `keepalive_s` is the time between pings while calls are under way, None for none. A reply may have up to
    `max_reply_bytes`. Raises ValueError for settings out of range.
    """
    options = channel_options(tls=tls, retries=retries, keepalive_s=keepalive_s, max_reply_bytes=max_reply_bytes)
    if tls is None:
        return Client(grpc.insecure_channel(target, options), timeout_s=timeout_s)
    return Client(grpc.secure_channel(target, channel_credentials(tls), options), timeout_s=timeout_s)


def _unary(call: Call[P, Reply]) -> Callable[Concatenate["Client", P], Reply]:
    def method(client: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Reply:
        return client._invoke(call, call.build(*args, **kwargs))

    return call.named(method, call.reply)


def _streaming(call: Call[P, Reply]) -> Callable[Concatenate["Client", P], Stream[Reply]]:
    def method(client: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Stream[Reply]:
        return client._open(call, call.build(*args, **kwargs))

    return call.named(method, GenericAlias(Stream, call.reply))


def _dialogue(call: Call[P, Reply]) -> Callable[Concatenate["Client", Iterable[bytes], P], Stream[Reply]]:
    def method(client: "Client", samples: Iterable[bytes], /, *args: P.args, **kwargs: P.kwargs) -> Stream[Reply]:
        return client._converse(call, call.build(*args, **kwargs), samples)

    return call.named(method, GenericAlias(Stream, call.reply), "samples")


class Client:
    """Calls to one server, safe to share between threads.

    What the methods have in common: `model` is "name" or "name@version" or "name@alias", and may be empty where the
    server has one model only. `parameters` are options of the pipeline by their names in transformers, under MLflow's
    rules; what of them was dropped is in the reply's `warnings`. `timeout_s` is the seconds that the call may take,
    retries included; None stands for the client's own, `math.inf` for no limit.

    They raise SavorError, of which each class is one kind of failure; before anything is sent, TypeError or ValueError
    for arguments that no request can hold; and ValueError after `close`.
    """

    def __init__(self, channel: grpc.Channel, *, timeout_s: float | None = None) -> None:
        self._channel = channel
        self._timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancels the calls under way and closes the channel."""
        self._channel.close()

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Waits until the server answers and every model of it is ready.

        Raises DeadlineExceeded after `timeout_s` seconds, with what is missing, and at once what waiting does not mend.
        """
        wait = Readiness(timeout_s)
        for left_s in wait.looks():
            if wait.reached(self._look(left_s)):
                return
            time.sleep(PAUSE_S)

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

    recognize_speech = _unary(calls.RECOGNIZE_SPEECH)
    stream_recognize_speech = _dialogue(calls.STREAM_RECOGNIZE_SPEECH)
    classify_audio = _unary(calls.CLASSIFY_AUDIO)
    classify_image = _unary(calls.CLASSIFY_IMAGE)

    predict = _unary(calls.PREDICT)
    list_models = _unary(calls.LIST_MODELS)
    get_model = _unary(calls.GET_MODEL)

    def _invoke(self, call: Call[P, Reply], request: Request) -> Reply:
        message = call.message(request)
        method = self._channel.unary_unary(call.path, calls.serialize, call.parse)
        with own_errors():
            response = method(message, timeout=deadline_s(request.timeout_s, self._timeout_s))
        return call.read(response)

    def _open(self, call: Call[P, Reply], request: Request) -> Stream[Reply]:
        message = call.message(request)
        method = self._channel.unary_stream(call.path, calls.serialize, call.parse)
        return Stream(call, method(message, timeout=deadline_s(request.timeout_s, self._timeout_s)))

    def _converse(self, call: Call[P, Reply], request: Request, samples: Iterable[bytes]) -> Stream[Reply]:
        upload = Upload(call.message(request), piece_of_speech)
        method = self._channel.stream_stream(call.path, calls.serialize, call.parse)
        rpc = method(upload.messages(samples), timeout=deadline_s(request.timeout_s, self._timeout_s))
        return Stream(call, rpc, upload)

    def _look(self, left_s: float) -> ListModelsReply | SavorError:
        try:
            return self.list_models(timeout_s=left_s)
        except SavorError as error:
            return error
