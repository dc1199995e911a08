"""audio-classification: features are transformers' own, recordings come in three ways, and wrong options are named."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from savor.accel.eager import EagerBackend
from savor.flavor.audio import PcmAudio, PcmEncoding
from savor.flavor.errors import InvalidInput
from savor.flavor.families.audio_classification import FAMILY, ClassifyAudioRequest, prepare
from savor.flavor.item import Prepared
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from savor.flavor.recording import AudioInput
from tests.accel.batches import alone, together
from tests.flavor.artifacts import artifact

RATE_HZ = 16_000
NAME = "audio-classifier"
OPEN = {"unknown_params": Unknown.ALLOW}


@pytest.fixture(scope="module")
def backend():
    backend = EagerBackend(artifact(NAME))
    yield backend
    backend.close()


def _sound(seconds: float, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(RATE_HZ * seconds)).astype(np.float32)


def _pcm(samples: Any) -> AudioInput:
    return AudioInput(pcm=PcmAudio(samples.tobytes(), PcmEncoding.F32LE, RATE_HZ))


def _request(*inputs: AudioInput, top_k: int | None = None, **parameters: Any) -> ClassifyAudioRequest:
    return ClassifyAudioRequest(inputs, parameters, top_k)


def _labels(prepared: Prepared, backend: EagerBackend) -> Any:
    results = prepared.decode(together(backend, prepared.items)).results
    return [[(each.label, each.score) for each in result.labels] for result in results]


CALLS = [
    pytest.param({}, id="by default"),
    pytest.param({"top_k": 2}, id="two labels"),
    pytest.param({"top_k": 99}, id="more labels than there are"),
    pytest.param({"function_to_apply": "sigmoid"}, id="sigmoid"),
    pytest.param({"function_to_apply": "none"}, id="bare logits"),
    pytest.param({"frobnicate": 1}, id="an option that the pipeline ignores"),
]


@pytest.mark.parametrize("options", CALLS)
def test_labels_are_the_pipelines(backend: EagerBackend, options: dict[str, Any]) -> None:
    sounds, model = [_sound(0.5), _sound(0.8, 2)], artifact(NAME, **OPEN)
    expected = [model.pipeline(sound.copy(), **options) for sound in sounds]
    found = _labels(prepare(_request(*map(_pcm, sounds), **options), model), backend)
    for labels, theirs in zip(found, expected, strict=True):
        assert dict(labels) == pytest.approx({each["label"]: each["score"] for each in theirs}, abs=1e-4)
        assert [score for _, score in labels] == sorted((score for _, score in labels), reverse=True)


def test_a_row_in_a_batch_equals_the_row_alone(backend: EagerBackend) -> None:
    sounds = [_sound(length, seed) for seed, length in enumerate((0.5, 0.5, 0.7, 0.5, 0.7), 1)]
    prepared = prepare(_request(*map(_pcm, sounds)), artifact(NAME))
    assert len({item.alike for item in prepared.items}) == 2
    batched, single = (run(backend, prepared.items) for run in (together, alone))
    for one, other in zip(batched, single, strict=True):
        np.testing.assert_allclose(one["logits"], other["logits"], rtol=1e-4, atol=1e-4)


def test_length_is_counted_in_what_the_model_has_positions_for() -> None:
    [item] = prepare(_request(_pcm(_sound(1.0))), artifact(NAME)).items
    assert item.length == 400


def test_a_model_in_bfloat16_reads_the_same() -> None:
    [item] = prepare(_request(_pcm(_sound(0.5))), artifact(NAME, dtype="bfloat16")).items
    assert item.arrays["input_values"].dtype == np.float32


def test_a_recording_comes_in_three_ways(tmp_path: Path) -> None:
    sound, file = _sound(0.5), tmp_path / "a.wav"
    soundfile.write(file, sound, RATE_HZ, subtype="FLOAT")
    model = artifact(NAME, limits=Limits(uri_prefixes=(f"file://{tmp_path}/",)))
    inputs = (AudioInput(content=file.read_bytes()), _pcm(sound), AudioInput(uri=f"file://{file}"))
    items = prepare(_request(*inputs), model).items
    for item in items[1:]:
        np.testing.assert_array_equal(item.arrays["input_values"], items[0].arrays["input_values"])


def _flac(samples: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="FLAC")
    return file.getvalue()


BAD = [
    pytest.param((), {}, "inputs", id="no inputs"),
    pytest.param((AudioInput(),), {}, "inputs[0]", id="no source"),
    pytest.param((_pcm(_sound(0.1)), AudioInput(content=b"no sound")), {}, "inputs[1].content", id="no recording"),
    pytest.param((AudioInput(content=_flac(_sound(2.1))),), {}, "inputs[0].content", id="too long"),
    pytest.param((AudioInput(uri="file:///etc/passwd"),), {}, "inputs[0].uri", id="a uri that is not allowed"),
    pytest.param((_pcm(_sound(0.001)),), {}, "inputs[0]", id="so short that nothing is heard"),
    pytest.param((_pcm(_sound(0.1)),), {"top_k": -1}, "top_k", id="less than no labels"),
    pytest.param((_pcm(_sound(0.1)),), {"function_to_apply": "x"}, "parameters.function_to_apply", id="no function"),
]


@pytest.mark.parametrize(("inputs", "options", "field"), BAD)
def test_what_can_not_be_used_is_named(inputs: tuple[AudioInput, ...], options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(_request(*inputs, **options), artifact(NAME, limits=Limits(max_audio_s=2.0), **OPEN))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_the_probe_runs_whatever_callers_may_send(backend: EagerBackend) -> None:
    [labels] = _labels(FAMILY.probe(artifact(NAME, limits=Limits(max_audio_s=0.1))), backend)
    assert len(labels) == 6
