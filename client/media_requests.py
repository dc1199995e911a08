"""What hears recordings and sees images: the arguments of each method, and the request that they make."""

import math
from collections.abc import Iterable
from typing import Literal, TypeAlias

from savor.client.inputs import Audio, Image, PcmEncoding, images, recordings
from savor.client.requests import Parameters, Request, compose, request
from savor.v1.speech_recognition_pb2 import StreamingRecognizeSpeechRequest, StreamingSpeechConfig

Timestamps: TypeAlias = Literal["none", "segment", "word", "character"]


def recognize_speech(
    inputs: Audio | Iterable[Audio],
    *,
    model: str = "",
    parameters: Parameters = None,
    timestamps: Timestamps | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The text of each recording.

    `inputs` is one recording or a list of them: the bytes of an encoded file, a pathlib.Path of one on this
    machine, a Pcm, or a Uri. `timestamps` is "none", "segment", "word" or "character"; None stands for the model's
    own setting. Raises OSError where a file can't be read.
    """
    return request(timeout_s, model=model, inputs=recordings(inputs), parameters=parameters, timestamps=timestamps)


def classify_audio(
    inputs: Audio | Iterable[Audio],
    *,
    model: str = "",
    parameters: Parameters = None,
    top_k: int | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The best labels of each recording, with their scores.

    `inputs` is as for `recognize_speech`. `top_k` labels are given for each, 1 or more, 0 for all; None stands for the
    model's own number, else all. Raises OSError where a file can't be read.
    """
    return request(timeout_s, model=model, inputs=recordings(inputs), parameters=parameters, top_k=top_k)


def classify_image(
    inputs: Image | Iterable[Image],
    *,
    model: str = "",
    parameters: Parameters = None,
    top_k: int | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The best labels of each image, with their scores.

    `inputs` is one image or a list of them: the bytes of an encoded file, a pathlib.Path of one on this machine, or a
    Uri. `top_k` is as for `classify_audio`. Raises OSError where a file can't be read.
    """
    return request(timeout_s, model=model, inputs=images(inputs), parameters=parameters, top_k=top_k)


def stream_recognize_speech(
    *,
    sample_rate_hz: int,
    encoding: PcmEncoding = "s16le",
    channels: int | None = None,
    model: str = "",
    parameters: Parameters = None,
    timestamps: Timestamps | None = None,
    interim_results: bool | None = None,
    pause_s: float | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The text of speech while it is spoken: bare samples go in, piece by piece, and results come out.

    `samples` gives pieces of bytes of any length, an iterator or, for asyncio, an asynchronous one; what it raises, the
    stream raises. The other arguments describe them as for Pcm. Speech is cut where it pauses for `pause_s` seconds
    (None: 0.7); until then its text comes as interim results, each in the place of the one before, unless
    `interim_results` is false. The call ends when the samples have ended and all is said, or when the stream is closed;
    `timeout_s` is None for no limit here.
    """
    fields: dict[str, object] = {
        "model": model,
        "encoding": encoding,
        "parameters": parameters,
        "sample_rate_hz": sample_rate_hz,
        "channels": channels,
        "timestamps": timestamps,
        "interim_results": interim_results,
        "pause_s": pause_s,
    }
    return request(math.inf if timeout_s is None else timeout_s, config=compose(StreamingSpeechConfig, fields))


def piece_of_speech(samples: bytes) -> StreamingRecognizeSpeechRequest:
    """The message of the next samples. Raises TypeError for what is no bytes."""
    if not isinstance(samples, bytes | bytearray | memoryview):
        raise TypeError(f"samples must come as pieces of bytes, not {type(samples).__name__}")
    return StreamingRecognizeSpeechRequest(samples=bytes(samples))
