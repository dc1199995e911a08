"""Live speech: pieces of samples go in while results come out, and each side's end and failure reaches the other."""

import asyncio
import gc
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import text_format

from savor.client import (
    InvalidArgument,
    SpeechChunk,
    StreamingRecognizeSpeechReply,
    StreamingSpeechResult,
    Timing,
    connect,
    connect_aio,
)
from savor.v1 import speech_recognition_pb2 as speech
from tests.client.conftest import EitherClient
from tests.client.serving import Context, Script, failing

RPC = "StreamingRecognizeSpeech"
Arrived = list[speech.StreamingRecognizeSpeechRequest]


@pytest.fixture
def arrived(script: Script) -> Arrived:
    """A server that answers each message with its size, and keeps what arrived."""
    kept: Arrived = []

    def answer(requests: Iterator[Any], _context: Context) -> Iterator[Any]:
        for request in requests:
            kept.append(request)
            heard = [speech.StreamingSpeechResult(text=str(len(request.samples)))] if request.samples else []
            yield speech.StreamingRecognizeSpeechResponse(results=heard)

    script.answers[RPC] = answer
    return kept


async def live(either: EitherClient, *args: Any, **options: Any) -> list[Any]:
    """All replies to some samples."""
    reply: list[Any] = await either.ask("stream_recognize_speech", *args, **options)
    return reply


async def test_the_first_message_says_how_and_each_further_one_brings_samples(
    either: EitherClient, arrived: Arrived
) -> None:
    options = {
        "model": "w",
        "encoding": "f32le",
        "channels": 2,
        "parameters": {"language": "en"},
        "timestamps": "word",
        "interim_results": False,
        "pause_s": 0.5,
    }
    replies = await live(either, [b"ab", bytearray(b"c"), b""], sample_rate_hz=8000, **options)
    config = (
        'config { model: "w" encoding: PCM_ENCODING_F32LE sample_rate_hz: 8000 channels: 2 parameters { language: "en" }'
        " timestamps: TIMESTAMP_GRANULARITY_WORD interim_results: false pause_s: 0.5 }"
    )
    expected = [config, 'samples: "ab"', 'samples: "c"', 'samples: ""']
    assert arrived == [text_format.Parse(each, speech.StreamingRecognizeSpeechRequest()) for each in expected]
    assert [[result.text for result in reply.results] for reply in replies] == [[], ["2"], ["1"], []]


async def test_little_need_be_said(either: EitherClient, arrived: Arrived) -> None:
    await live(either, iter([]), sample_rate_hz=16000)
    expected = "config { encoding: PCM_ENCODING_S16LE sample_rate_hz: 16000 }"
    assert arrived == [text_format.Parse(expected, speech.StreamingRecognizeSpeechRequest())]


async def test_a_reply_holds_the_whole_response(either: EitherClient, script: Script) -> None:
    sent = (
        'results { text: "a" is_final: true start_s: 1 end_s: 2 chunks { text: "a" start_s: 1 } } results { text: "b" }'
        ' timing { run_s: 3 } warnings: "w" model_version: "7"'
    )
    response = text_format.Parse(sent, speech.StreamingRecognizeSpeechResponse())
    script.answers[RPC] = lambda requests, _context: (response for _request in requests)
    expected = StreamingRecognizeSpeechReply(
        (
            StreamingSpeechResult("a", True, 1.0, 2.0, (SpeechChunk("a", 1.0, None),)),
            StreamingSpeechResult("b", False, 0.0, 0.0, ()),
        ),
        Timing(run_s=3.0),
        ("w",),
        "7",
    )
    assert await live(either, [], sample_rate_hz=16000) == [expected]


@pytest.mark.usefixtures("arrived")
async def test_a_stream_has_no_deadline_of_the_client(either: EitherClient, script: Script) -> None:
    await live(either, [], sample_rate_hz=16000)
    await live(either, [], sample_rate_hz=16000, timeout_s=5)
    unlimited, limited = script.timeouts_s
    # Python's server tells no deadline as a very long one.
    assert unlimited is None or unlimited > 1e9
    assert limited is not None
    assert limited <= 6


def _breaks() -> Iterator[bytes]:
    yield b"ab"
    raise OSError("the microphone is gone")


BROKEN = [
    pytest.param(_breaks, OSError, "the microphone is gone", id="the samples raise"),
    pytest.param(lambda: ["ab"], TypeError, "samples must come as pieces of bytes, not str", id="no bytes"),
    pytest.param(lambda: b"ab", TypeError, "pieces of bytes, not int", id="bytes that are not in pieces"),
]


@pytest.mark.parametrize(("samples", "error", "words"), BROKEN)
@pytest.mark.usefixtures("arrived")
async def test_what_the_samples_raise_is_raised_by_the_stream(
    either: EitherClient, samples: Callable[[], Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await live(either, samples(), sample_rate_hz=16000)


REFUSED = [
    pytest.param({"sample_rate_hz": 2**31}, ValueError, "out of range", id="a rate outside 32 bits"),
    pytest.param({"sample_rate_hz": 8000, "encoding": "mp3"}, ValueError, "is no PcmEncoding", id="encoding"),
    pytest.param({}, TypeError, "sample_rate_hz", id="no rate"),
]


@pytest.mark.parametrize(("options", "error", "words"), REFUSED)
async def test_what_no_request_can_hold_is_refused_at_once(
    either: EitherClient, arrived: Arrived, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await live(either, [b"a"], **options)
    assert arrived == []


SPEECH = [
    pytest.param(lambda: [], id="no samples"),
    pytest.param(lambda: [b"a"], id="a piece"),
    pytest.param(lambda: itertools.repeat(b"a" * 3200), id="endless samples"),
]


@pytest.mark.parametrize("samples", SPEECH)
async def test_the_servers_error_is_told_while_samples_go(
    either: EitherClient, script: Script, samples: Callable[[], Any]
) -> None:
    script.answers[RPC] = failing(grpc.StatusCode.INVALID_ARGUMENT, "No.")
    with pytest.raises(InvalidArgument, match="No"):
        await live(either, samples(), sample_rate_hz=16000)


@pytest.mark.usefixtures("arrived")
def test_results_come_while_samples_go(script: Script) -> None:
    heard = threading.Event()

    def speak() -> Iterator[bytes]:
        yield b"ab"
        assert heard.wait(20)
        yield b"c"

    with connect(script.target) as client:
        stream = client.stream_recognize_speech(speak(), sample_rate_hz=16000)
        assert next(stream).results == ()
        assert next(stream).results[0].text == "2"
        heard.set()
        assert [reply.results[0].text for reply in stream] == ["1"]


@pytest.mark.usefixtures("arrived")
async def test_results_come_while_samples_go_in_asyncio(script: Script) -> None:
    heard = asyncio.Event()

    async def speak() -> AsyncIterator[bytes]:
        yield b"ab"
        await heard.wait()
        yield b"c"

    async with connect_aio(script.target) as client:
        stream = client.stream_recognize_speech(speak(), sample_rate_hz=16000)
        assert (await anext(stream)).results == ()
        assert (await anext(stream)).results[0].text == "2"
        heard.set()
        assert [reply.results[0].text async for reply in stream] == ["1"]


@pytest.fixture
def ended(script: Script) -> threading.Event:
    """Set when the server's side of a call ends."""
    event = threading.Event()

    def answer(requests: Iterator[Any], context: Context) -> Iterator[Any]:
        context.add_callback(event.set)
        for _request in requests:
            yield speech.StreamingRecognizeSpeechResponse()

    script.answers[RPC] = answer
    return event


def test_dropping_a_stream_ends_the_call_while_its_samples_wait(script: Script, ended: threading.Event) -> None:
    spoken = threading.Event()

    def speak() -> Iterator[bytes]:
        spoken.wait(30)
        yield b"a"

    with connect(script.target) as client:
        stream = client.stream_recognize_speech(speak(), sample_rate_hz=16000)
        next(stream)
        del stream
        gc.collect()
        assert ended.wait(10)
        spoken.set()


async def test_closing_a_stream_in_asyncio_ends_the_call(script: Script, ended: threading.Event) -> None:
    async def speak() -> AsyncIterator[bytes]:
        await asyncio.sleep(30)
        yield b"a"

    async with connect_aio(script.target) as client:
        async with client.stream_recognize_speech(speak(), sample_rate_hz=16000) as stream:
            await anext(stream)
        assert await asyncio.to_thread(ended.wait, 10)
