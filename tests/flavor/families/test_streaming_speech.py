"""A stream of speech as a session: pieces in, calls out, each the same that a recording would be."""

from typing import Any

import numpy as np
import pytest

from savor.accel.eager import EagerBackend
from savor.flavor.artifact import Artifact
from savor.flavor.audio import PcmAudio, PcmEncoding
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.families.speech_recognition import (
    AudioInput,
    RecognizeSpeechRequest,
    StreamingRecognizeSpeechRequest,
    StreamingSpeechConfig,
    StreamingSpeechResult,
    TimestampGranularity,
    listen,
    prepare,
)
from savor.flavor.family import Session
from savor.flavor.params import Unknown
from tests.accel.batches import together
from tests.flavor.artifacts import artifact
from tests.flavor.whisper import whisper

RATE_HZ = 16_000


def _speech(*seconds: float) -> Any:
    """Noise and silence in turn, so long each."""
    random = np.random.default_rng(5)
    parts = [
        (0.3 if index % 2 == 0 else 0.0) * random.standard_normal(int(RATE_HZ * length))
        for index, length in enumerate(seconds)
    ]
    return np.concatenate(parts).astype("<f4")


def _config(**fields: Any) -> StreamingSpeechConfig:
    parameters = fields.pop("parameters", {})
    return StreamingSpeechConfig(
        **{"model": "", "encoding": PcmEncoding.F32LE, "sample_rate_hz": RATE_HZ, **fields}, parameters=parameters
    )


def _said(session: Session, backend: EagerBackend, *, ended: bool) -> list[StreamingSpeechResult]:
    calls = list(iter(lambda: session.next(ended=ended), None))
    responses = [call.decode(together(backend, call.items)) for call in calls]
    return [result for response in responses for result in response.results]


def _results(model: Artifact, sound: Any, piece_s: float = 0.5, **config: Any) -> list[StreamingSpeechResult]:
    backend, session, data = EagerBackend(model), listen(_config(**config), model), sound.tobytes()
    size, results = round(4 * RATE_HZ * piece_s), []
    for at in range(0, len(data), size):
        session.hear(StreamingRecognizeSpeechRequest(samples=data[at : at + size]))
        results += _said(session, backend, ended=False)
    results += _said(session, backend, ended=True)
    backend.close()
    return results


def _alone(model: Artifact, sound: Any, timestamps: TimestampGranularity | None = None) -> Any:
    """A recording's result by the other RPC."""
    backend = EagerBackend(model)
    pcm = AudioInput(pcm=PcmAudio(sound.tobytes(), PcmEncoding.F32LE, RATE_HZ))
    prepared = prepare(RecognizeSpeechRequest((pcm,), {}, timestamps), model)
    [result] = prepared.decode(together(backend, prepared.items)).results
    backend.close()
    return result


MODELS = [
    pytest.param(lambda: artifact("ctc"), TimestampGranularity.WORD, id="CTC"),
    pytest.param(whisper, TimestampGranularity.SEGMENT, id="Whisper"),
]


@pytest.mark.parametrize(("load", "timestamps"), MODELS)
def test_a_segment_is_what_it_is_as_a_recording(load: Any, timestamps: TimestampGranularity) -> None:
    sound = _speech(1.0, 1.0, 1.5, 1.2, 0.8)
    results = _results(load(), sound, interim_results=False, timestamps=timestamps)
    assert [result.is_final for result in results] == [True, True, True]
    for result in results:
        expected = _alone(load(), sound[round(result.start_s * RATE_HZ) : round(result.end_s * RATE_HZ)], timestamps)
        assert result.text == expected.text
        assert len(result.chunks) == len(expected.chunks)
        for chunk, other in zip(result.chunks, expected.chunks, strict=True):
            assert chunk.text == other.text
            assert chunk.start_s == pytest.approx(result.start_s + other.start_s)
            assert (chunk.end_s is None) == (other.end_s is None)
    assert any(result.chunks for result in results)


def test_interim_results_stand_where_the_final_one_will() -> None:
    results = _results(artifact("ctc"), _speech(3.4, 1.0, 0.5))
    assert [result.is_final for result in results] == [False, False, False, True, True]
    assert len({result.start_s for result in results[:4]}) == 1
    ends = [result.end_s for result in results]
    assert ends == sorted(ends)


def test_warnings_come_with_the_first_response_alone() -> None:
    model = artifact("ctc")
    session = listen(_config(parameters={"frobnicate": 1}), model)
    session.hear(StreamingRecognizeSpeechRequest(samples=_speech(1.0, 1.0, 1.0).tobytes()))
    calls = list(iter(lambda: session.next(ended=True), None))
    assert [len(call.warnings) for call in calls] == [1, 0]


OUTSIDE = [
    pytest.param({"encoding": None}, "config.encoding", id="no encoding"),
    pytest.param({"sample_rate_hz": 5}, "config.sample_rate_hz", id="a rate too low"),
    pytest.param({"channels": 99}, "config.channels", id="too many channels"),
    pytest.param({"pause_s": 0.05}, "config.pause_s", id="a pause too short"),
    pytest.param({"pause_s": 11.0}, "config.pause_s", id="a pause too long"),
    pytest.param({"pause_s": float("nan")}, "config.pause_s", id="a pause that is no number"),
    pytest.param({"timestamps": TimestampGranularity.CHARACTER}, "config.timestamps", id="characters of Whisper"),
    pytest.param({"parameters": {"language": "klingon"}}, "config.parameters.language", id="an unknown language"),
    pytest.param(
        {"parameters": {"chunk_length_s": 2.0, "stride_length_s": 1.5}},
        "config.parameters.chunk_length_s",
        id="pieces shorter than their overlaps",
    ),
]


@pytest.mark.parametrize(("fields", "field"), OUTSIDE)
def test_a_config_that_can_not_be_used_is_named_at_once(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        listen(_config(**fields), whisper())
    assert [violation.field for violation in caught.value.violations] == [field]


def test_what_a_model_does_not_take_stays_an_unsupported_parameter() -> None:
    with pytest.raises(UnsupportedParameter, match=r"config\.parameters"):
        listen(_config(parameters={"num_beams": 2}), artifact("ctc", unknown_params=Unknown.ALLOW))


MESSAGES = [
    pytest.param(StreamingRecognizeSpeechRequest(config=_config()), "config", id="a second config"),
    pytest.param(StreamingRecognizeSpeechRequest(), "samples", id="nothing"),
    pytest.param(StreamingRecognizeSpeechRequest(samples=b""), "samples", id="no samples"),
]


@pytest.mark.parametrize(("message", "field"), MESSAGES)
def test_a_message_that_brings_no_samples(message: StreamingRecognizeSpeechRequest, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        listen(_config(), artifact("ctc")).hear(message)
    assert [violation.field for violation in caught.value.violations] == [field]
