"""Whisper through the eager backend: the pipeline's own texts and times, and no step further than anybody waits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from savor.accel.backend import Batch
from savor.accel.eager import EagerBackend
from savor.flavor.artifact import Artifact
from savor.flavor.audio import PcmAudio, PcmEncoding
from savor.flavor.families.speech_recognition import AudioInput, RecognizeSpeechRequest, TimestampGranularity, prepare
from savor.flavor.item import Prepared
from tests.accel.batches import Patience, alone, together
from tests.flavor.whisper import whisper

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def model() -> Artifact:
    return whisper()


@pytest.fixture(scope="module")
def backend(model: Artifact) -> Iterator[EagerBackend]:
    backend = EagerBackend(model)
    yield backend
    backend.close()


def _sound(seconds: float, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(RATE_HZ * seconds)).astype(np.float32)


def _prepared(
    model: Artifact, *sounds: Any, timestamps: TimestampGranularity | None = None, **parameters: Any
) -> Prepared:
    inputs = (AudioInput(pcm=PcmAudio(sound.tobytes(), PcmEncoding.F32LE, RATE_HZ)) for sound in sounds)
    return prepare(RecognizeSpeechRequest(tuple(inputs), parameters, timestamps), model)


CALLS = [
    pytest.param((1.0,), None, {}, {}, id="a second"),
    pytest.param((1.0, 2.0, 0.1), None, {}, {}, id="several recordings"),
    pytest.param((2.0,), None, {"language": "de", "task": "translate"}, {}, id="a language and a task"),
    pytest.param((2.0,), TimestampGranularity.SEGMENT, {}, {"return_timestamps": True}, id="segments"),
    pytest.param((2.0,), TimestampGranularity.WORD, {}, {"return_timestamps": "word"}, id="words"),
    pytest.param((33.0,), TimestampGranularity.SEGMENT, {}, {"return_timestamps": True}, id="more than 30 seconds"),
    pytest.param((7.0,), None, {"chunk_length_s": 3.0}, {"chunk_length_s": 3.0}, id="in pieces"),
]


@pytest.mark.parametrize(("seconds", "timestamps", "parameters", "options"), CALLS)
def test_texts_and_times_are_the_pipelines(
    model: Artifact,
    backend: EagerBackend,
    seconds: tuple[float, ...],
    timestamps: TimestampGranularity | None,
    parameters: dict[str, Any],
    options: dict[str, Any],
) -> None:
    sounds = [_sound(length, seed) for seed, length in enumerate(seconds, 1)]
    prepared = _prepared(model, *sounds, timestamps=timestamps, **parameters)
    results = prepared.decode(together(backend, prepared.items)).results
    generating = {key: value for key, value in parameters.items() if key not in options}
    for sound, result in zip(sounds, results, strict=True):
        expected = model.pipeline(sound.copy(), generate_kwargs=generating, **options)
        assert result.text == expected["text"]
        times = [(chunk["text"], chunk["timestamp"]) for chunk in expected.get("chunks", ())]
        assert [(chunk.text, (chunk.start_s, chunk.end_s)) for chunk in result.chunks] == times


def test_more_than_30_seconds_without_times_asked_for(model: Artifact, backend: EagerBackend) -> None:
    """Whisper itself refuses these; its times are predicted all the same, and left out."""
    sound = _sound(33.0)
    prepared = _prepared(model, sound)
    [result] = prepared.decode(together(backend, prepared.items)).results
    assert result.text == model.pipeline(sound.copy(), return_timestamps=True)["text"]
    assert result.chunks == ()


def test_a_row_in_a_batch_equals_the_row_alone(model: Artifact, backend: EagerBackend) -> None:
    prepared = _prepared(model, *(_sound(length, seed) for seed, length in enumerate((0.5, 1.0, 4.0, 33.0), 1)))
    batched, single = (prepared.decode(run(backend, prepared.items)) for run in (together, alone))
    assert batched == single
    assert len({item.alike for item in prepared.items}) == 2


def test_what_nobody_waits_for_ends_early(model: Artifact, backend: EagerBackend) -> None:
    [item] = _prepared(model, _sound(1.0), max_new_tokens=200).items
    [whole] = backend.run(Batch((item,), (Patience(),)))
    [cut] = backend.run(Batch((item,), (Patience(3),)))
    assert len(cut["tokens"]) < 12 < len(whole["tokens"])
