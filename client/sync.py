"""The client for threads: each method builds its request, waits for the answer and gives it as a reply."""

import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

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
from savor.client.inputs import Audio, TextInput, TextPair
from savor.client.models import GetModelReply, ListModelsReply
from savor.client.readiness import PAUSE_S, Readiness
from savor.client.replies import (
    ClassifyTextReply,
    EmbedTextReply,
    ExtractFeaturesReply,
    GenerateTextReply,
    RecognizeSpeechReply,
    StreamGenerateTextReply,
)
from savor.client.requests import Pooling, Timestamps
from savor.client.streams import Stream


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

    def classify_text(
        self,
        inputs: str | TextPair | Iterable[TextInput],
        *,
        model: str = "",
        parameters: Mapping[str, object] | None = None,
        top_k: int | None = None,
        timeout_s: float | None = None,
    ) -> ClassifyTextReply:
        """The best labels of each text, or of each pair of texts, with their scores.

        `inputs` is a str, a TextPair, or a list of str, (text, text_pair) tuples and TextPairs. `top_k` labels are
        given for each, 1 or more, 0 for all; None stands for the model's own number, else 1.
        """
        return self._invoke(calls.CLASSIFY_TEXT, timeout_s, inputs, model, parameters, top_k)

    def extract_features(
        self,
        inputs: str | Iterable[str],
        *,
        model: str = "",
        parameters: Mapping[str, object] | None = None,
        timeout_s: float | None = None,
    ) -> ExtractFeaturesReply:
        """The vectors of each text's tokens, special tokens included: a Tensor of shape (tokens, hidden)."""
        return self._invoke(calls.EXTRACT_FEATURES, timeout_s, inputs, model, parameters)

    def embed_text(
        self,
        inputs: str | Iterable[str],
        *,
        model: str = "",
        parameters: Mapping[str, object] | None = None,
        pooling: Pooling | None = None,
        normalize: bool | None = None,
        timeout_s: float | None = None,
    ) -> EmbedTextReply:
        """One vector for each text: its tokens' vectors pooled, and scaled to length 1 where `normalize` is true.

        `pooling` is "mean", "cls" (the first token's vector) or "last". None stands for the model's own setting, else
        the mean, and no scaling.
        """
        return self._invoke(calls.EMBED_TEXT, timeout_s, inputs, model, parameters, pooling, normalize)

    def generate_text(
        self,
        inputs: str | Iterable[str],
        *,
        model: str = "",
        parameters: Mapping[str, object] | None = None,
        stop: str | Iterable[str] = (),
        seed: int | None = None,
        timeout_s: float | None = None,
    ) -> GenerateTextReply:
        """The continuation of each prompt, when all have ended.

        A sequence ends before any of the texts `stop`, at most 16. Equal requests with equal `seed` get equal answers.
        """
        return self._invoke(calls.GENERATE_TEXT, timeout_s, inputs, model, parameters, stop, seed)

    def stream_generate_text(
        self,
        inputs: str | Iterable[str],
        *,
        model: str = "",
        parameters: Mapping[str, object] | None = None,
        stop: str | Iterable[str] = (),
        seed: int | None = None,
        timeout_s: float | None = None,
    ) -> Stream[StreamGenerateTextReply]:
        """The continuation of each prompt, as it comes; the rest is as for `generate_text`.

        The call begins at once and ends with the stream, with `close` on it, or after `timeout_s`. What goes wrong is
        raised by the stream.
        """
        return self._open(calls.STREAM_GENERATE_TEXT, timeout_s, inputs, model, parameters, stop, seed)

    def recognize_speech(
        self,
        inputs: Audio | Iterable[Audio],
        *,
        model: str = "",
        parameters: Mapping[str, object] | None = None,
        timestamps: Timestamps | None = None,
        timeout_s: float | None = None,
    ) -> RecognizeSpeechReply:
        """The text of each recording.

        `inputs` is one recording or a list of them: the bytes of an encoded file, a pathlib.Path of one on this
        machine, a Pcm, or a Uri. `timestamps` is "none", "segment", "word" or "character"; None stands for the model's
        own setting. Raises OSError where a file can't be read.
        """
        return self._invoke(calls.RECOGNIZE_SPEECH, timeout_s, inputs, model, parameters, timestamps)

    def list_models(self, *, timeout_s: float | None = None) -> ListModelsReply:
        """Every model in service or on its way there."""
        return self._invoke(calls.LIST_MODELS, timeout_s)

    def get_model(self, model: str = "", *, timeout_s: float | None = None) -> GetModelReply:
        """One model with everything that callers may want to know of it. Raises NotFound for an unknown one."""
        return self._invoke(calls.GET_MODEL, timeout_s, model)

    def _invoke(self, call: Call[P, Reply], timeout_s: float | None, *args: P.args, **kwargs: P.kwargs) -> Reply:
        request = call.build(*args, **kwargs)
        method = self._channel.unary_unary(call.path, calls.serialize, call.parse)
        with own_errors():
            response = method(request, timeout=deadline_s(timeout_s, self._timeout_s))
        return call.read(response)

    def _open(self, call: Call[P, Reply], timeout_s: float | None, *args: P.args, **kwargs: P.kwargs) -> Stream[Reply]:
        request = call.build(*args, **kwargs)
        method = self._channel.unary_stream(call.path, calls.serialize, call.parse)
        return Stream(call, method(request, timeout=deadline_s(timeout_s, self._timeout_s)))

    def _look(self, left_s: float) -> ListModelsReply | SavorError:
        try:
            return self.list_models(timeout_s=left_s)
        except SavorError as error:
            return error
