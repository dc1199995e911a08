"""StreamingRecognizeSpeech through a real channel: the words of RecognizeSpeech, for whatever a client does."""

import asyncio
import io
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
import transformers

from demo.weights import fetch
from savor.v1 import speech_recognition_pb2 as pb
from savor.v1 import speech_recognition_pb2_grpc as stubs
from tests import tiny_models
from tests.parity.oracle import read

RATE_HZ = 16_000
Request = pb.StreamingRecognizeSpeechRequest


@pytest.fixture(scope="module")
def server(serving):
    return serving("ctc", "classifier")


@pytest.fixture(scope="module")
def speech(server) -> Iterator[Any]:
    with grpc.insecure_channel(server.target) as channel:
        yield stubs.SpeechRecognitionServiceStub(channel)


def _sound(*seconds: float) -> Any:
    """Noise and silence in turn, so long each, of 16 bits."""
    random = np.random.default_rng(5)
    parts = [
        (6_000 if index % 2 == 0 else 0) * random.standard_normal(int(RATE_HZ * length)).clip(-4, 4)
        for index, length in enumerate(seconds)
    ]
    return np.concatenate(parts).astype("<i2")


def _config(**fields: Any) -> Request:
    form = {"model": "ctc", "encoding": pb.PCM_ENCODING_S16LE, "sample_rate_hz": RATE_HZ, "interim_results": False}
    return Request(config=pb.StreamingSpeechConfig(**{**form, **fields}))


def _messages(sound: Any, size: int, **fields: Any) -> Iterator[Request]:
    """A config, then the samples in pieces of so many bytes."""
    data = sound.tobytes()
    yield _config(**fields)
    for at in range(0, len(data), size):
        yield Request(samples=data[at : at + size])


def _pcm(sound: Any) -> pb.AudioInput:
    return pb.AudioInput(
        pcm=pb.PcmAudio(samples=sound.tobytes(), encoding="PCM_ENCODING_S16LE", sample_rate_hz=RATE_HZ)
    )


def _results(responses: Iterable[Any]) -> list[Any]:
    return [result for response in responses for result in response.results]


SOUND = _sound(1.0, 0.9, 1.4, 0.9, 0.6, 0.9)


@pytest.mark.parametrize("size", [640, 1_001, 16_000, 64_000, 10_000_000], ids="{} bytes".format)
def test_finals_are_what_recognize_speech_gives_for_their_part(speech: Any, size: int) -> None:
    finals = _results(speech.StreamingRecognizeSpeech(_messages(SOUND, size)))
    assert [final.is_final for final in finals] == [True, True, True]
    parts = [SOUND[round(final.start_s * RATE_HZ) : round(final.end_s * RATE_HZ)] for final in finals]
    alone = speech.RecognizeSpeech(pb.RecognizeSpeechRequest(model="ctc", inputs=map(_pcm, parts))).results
    assert [final.text for final in finals] == [result.text for result in alone]


def test_an_answer_comes_while_the_client_still_speaks(speech: Any) -> None:
    heard = threading.Event()

    def speaking() -> Iterator[Request]:
        yield from _messages(_sound(1.0, 1.0), 640)
        assert heard.wait(30)
        yield Request(samples=_sound(0.5).tobytes())

    responses = speech.StreamingRecognizeSpeech(speaking())
    first = next(responses)
    heard.set()
    assert [first.results[0].is_final, *(each.is_final for each in _results(responses))] == [True, True]


def test_interim_results_on_the_way(speech: Any) -> None:
    results = _results(speech.StreamingRecognizeSpeech(_messages(_sound(3.0, 1.0), 3_200, interim_results=True)))
    assert results[-1].is_final
    # How many there are depends on how fast the model is beside the client: at most one for each second.
    assert len(results) <= 4
    assert not any(result.is_final for result in results[:-1])


def test_silence_is_answered_with_nothing(speech: Any) -> None:
    assert list(speech.StreamingRecognizeSpeech(_messages(_sound(0.0, 3.0), 640))) == []


def test_a_response_has_its_own_times(speech: Any) -> None:
    """Its queue is not the time since the stream began."""

    def slow() -> Iterator[Request]:
        for message in _messages(_sound(0.5, 1.0), 16_000):
            yield message
            time.sleep(0.3)

    [response] = speech.StreamingRecognizeSpeech(slow())
    assert response.timing.run_s > 0
    assert response.timing.queue_s < 0.5
    assert response.model_version


REFUSED = [
    pytest.param([], "config: is missing", id="nothing"),
    pytest.param([Request(samples=b"\0\0")], "config: is missing", id="samples first"),
    pytest.param([Request()], "config: is missing", id="an empty message first"),
    pytest.param([_config(), _config()], "config: came again", id="a second config"),
    pytest.param([_config(), Request()], "samples: are missing", id="an empty message"),
    pytest.param([_config(), Request(samples=b"\0\0\0")], "samples: end within a sample", id="half a sample"),
    pytest.param([_config(encoding=0)], "config.encoding: is not set", id="no encoding"),
    pytest.param([_config(encoding=9)], "config.encoding: unknown value 9", id="an encoding that there is not"),
    pytest.param([_config(sample_rate_hz=0)], "config.sample_rate_hz: is 0", id="no rate"),
    pytest.param([_config(pause_s=0)], "config.pause_s: is 0", id="no pause"),
]


@pytest.mark.parametrize(("messages", "sentence"), REFUSED)
def test_what_can_not_be_used_is_named(speech: Any, messages: list[Request], sentence: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(speech.StreamingRecognizeSpeech(iter(messages)))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert sentence in caught.value.details()


ELSEWHERE = [
    pytest.param("nobody", grpc.StatusCode.NOT_FOUND, id="an unknown model"),
    pytest.param("classifier", grpc.StatusCode.FAILED_PRECONDITION, id="a model of another family"),
]


@pytest.mark.parametrize(("model", "code"), ELSEWHERE)
def test_a_model_that_does_not_hear(speech: Any, model: str, code: grpc.StatusCode) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(speech.StreamingRecognizeSpeech(iter([_config(model=model)])))
    assert caught.value.code() is code


def test_what_is_no_message_is_refused(server) -> None:
    with grpc.insecure_channel(server.target) as channel:
        call = channel.stream_stream("/savor.v1.SpeechRecognitionService/StreamingRecognizeSpeech")
        with pytest.raises(grpc.RpcError) as caught:
            list(call(iter([_config().SerializeToString(), b"\xff\xff"])))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def _tasks(server: Any) -> int:
    """The tasks of the server's loop."""

    async def count() -> int:
        return len(asyncio.all_tasks())

    return asyncio.run_coroutine_threadsafe(count(), server._loop).result(10)


def _endless(started: threading.Event) -> Iterator[Request]:
    for count, message in enumerate(_messages(_sound(120.0), 3_200, interim_results=True)):
        yield message
        if count == 40:
            started.set()
        time.sleep(0.001)


def test_clients_that_go_away_leave_nothing_behind(server, speech: Any) -> None:
    list(speech.StreamingRecognizeSpeech(_messages(SOUND, 6_400)))
    before = _tasks(server)
    for _ in range(5):
        started = threading.Event()
        responses = speech.StreamingRecognizeSpeech(_endless(started))
        assert started.wait(30)
        responses.cancel()
        with pytest.raises(grpc.RpcError):
            list(responses)
    deadline_s = time.monotonic() + 20
    while _tasks(server) > before and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert _tasks(server) <= before
    assert len(_results(speech.StreamingRecognizeSpeech(_messages(SOUND, 6_400)))) == 3


def test_a_client_that_waits_in_vain_has_its_own_deadline(speech: Any) -> None:
    ended = threading.Event()

    def silent() -> Iterator[Request]:
        yield _config()
        ended.wait(30)

    with pytest.raises(grpc.RpcError) as caught:
        list(speech.StreamingRecognizeSpeech(silent(), timeout=0.5))
    ended.set()
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_stream_outlasts_the_time_of_other_calls(server, speech: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.app._families, "_default_timeout_s", 0.2)

    def slow() -> Iterator[Request]:
        for message in _messages(_sound(0.5, 0.5), 8_000):
            yield message
            time.sleep(0.15)

    assert len(_results(speech.StreamingRecognizeSpeech(slow()))) == 1


def test_streams_beside_each_other_stay_apart(speech: Any) -> None:
    sounds = [_sound(0.6 + 0.2 * index, 0.9, 0.7) for index in range(6)]
    streams = [speech.StreamingRecognizeSpeech(_messages(sound, 1_600)) for sound in sounds]
    together = [[final.text for final in _results(stream)] for stream in streams]
    alone = [[f.text for f in _results(speech.StreamingRecognizeSpeech(_messages(s, 1_600)))] for s in sounds]
    assert together == alone


def test_a_whole_recording_at_once_is_more_than_is_held(speech: Any) -> None:
    """The server reads on only as it answers; every part is answered all the same."""
    sound = np.concatenate([_sound(0.5, 1.0)] * 60)
    finals = _results(speech.StreamingRecognizeSpeech(_messages(sound, 100_000)))
    assert len(finals) == 60
    starts = [final.start_s for final in finals]
    assert starts == pytest.approx([1.5 * index for index in range(60)], abs=0.35)


def _words(text: str) -> list[str]:
    return "".join(letter for letter in text.lower() if letter.isalpha() or letter.isspace() or letter == "-").split()


@pytest.fixture(scope="module")
def real(tmp_path_factory, serving) -> Iterator[Any]:
    """Whisper tiny.en, greedy, to be quick."""
    folder = tmp_path_factory.mktemp("models") / "whisper"
    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(fetch("whisper-tiny-en")))
    tiny_models.save(pipeline, folder, model_config={"num_beams": 1, "return_timestamps": False})
    with grpc.insecure_channel(serving(str(folder)).target) as channel:
        yield stubs.SpeechRecognitionServiceStub(channel)


def _recording(name: str) -> Any:
    return soundfile.read(io.BytesIO(read(f"demo/{name}")), dtype="int16")[0].astype("<i2")


@pytest.mark.slow
@pytest.mark.parametrize("size", [640, 64_000], ids=["20 ms", "2 s"])
def test_real_speech_has_the_words_of_the_recording(real: Any, size: int) -> None:
    sound = _recording("speech.flac")
    finals = _results(real.StreamingRecognizeSpeech(_messages(sound, size, model="")))
    [whole] = real.RecognizeSpeech(pb.RecognizeSpeechRequest(inputs=[_pcm(sound)])).results
    assert _words(" ".join(final.text for final in finals)) == _words(whole.text)


@pytest.mark.slow
def test_real_speech_that_goes_on(real: Any) -> None:
    """More than half a minute, cut at its pauses: nearly every word of the whole, with the times of the stream."""
    sound = _recording("speech-long.flac")
    config = {"model": "", "timestamps": pb.TIMESTAMP_GRANULARITY_WORD, "pause_s": 0.3}
    finals = _results(real.StreamingRecognizeSpeech(_messages(sound, 3_200, **config)))
    [whole] = real.RecognizeSpeech(pb.RecognizeSpeechRequest(inputs=[_pcm(sound)])).results
    assert len(finals) >= 2
    said, expected = (_words(text) for text in (" ".join(final.text for final in finals), whole.text))
    assert len(set(expected) & set(said)) >= 0.9 * len(set(expected))
    starts = [chunk.start_s for final in finals for chunk in final.chunks]
    assert starts == sorted(starts)
    assert starts[-1] > 30
