"""automatic-speech-recognition: cutting and joining are transformers' own, and recordings come in three ways."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from savor.flavor.audio import PcmAudio, PcmEncoding
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.families.speech_recognition import (
    FAMILY,
    AudioInput,
    RecognizeSpeechRequest,
    TimestampGranularity,
    prepare,
)
from savor.flavor.item import Prepared, Row
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from savor.flavor.probe import Probe
from tests.flavor.artifacts import artifact
from tests.flavor.whisper import whisper

RATE_HZ = 16_000
OPEN = {"unknown_params": Unknown.ALLOW}


def _sound(seconds: float, seed: int = 1) -> Any:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(RATE_HZ * seconds)).astype(np.float32)


def _pcm(samples: Any) -> AudioInput:
    return AudioInput(pcm=PcmAudio(samples.tobytes(), PcmEncoding.F32LE, RATE_HZ))


def _wav(samples: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


def _request(*inputs: AudioInput, timestamps: TimestampGranularity | None = None, **parameters: Any) -> Any:
    return RecognizeSpeechRequest(inputs, parameters, timestamps)


def _rows(prepared: Prepared) -> list[Row]:
    """As the pipeline's own forward step gives them: the best token of each frame."""
    model = artifact("ctc").pipeline.model
    rows = []
    for item in prepared.items:
        with torch.no_grad():
            logits = model(torch.from_numpy(item.arrays["input_values"])[None]).logits[0]
        rows.append({"tokens": logits.argmax(dim=-1).numpy()})
    return rows


def _texts(prepared: Prepared) -> list[str]:
    return [result.text for result in prepared.decode(_rows(prepared)).results]


def test_texts_are_the_pipelines() -> None:
    model, sounds = artifact("ctc"), [_sound(0.5), _sound(1.3, 2)]
    prepared = prepare(_request(*map(_pcm, sounds)), model)
    assert _texts(prepared) == [model.pipeline(sound.copy())["text"] for sound in sounds]
    assert [result.audio_s for result in prepared.decode(_rows(prepared)).results] == [0.5, pytest.approx(1.3)]


def test_a_recording_in_pieces_is_joined_as_the_pipeline_joins_it() -> None:
    model, sound = artifact("ctc", **OPEN), _sound(3.7)
    options = {"chunk_length_s": 1.0, "stride_length_s": 0.2}
    prepared = prepare(_request(_pcm(sound), **options), model)
    assert len(prepared.items) > 3
    assert _texts(prepared) == [model.pipeline(sound.copy(), **options)["text"]]


def test_the_pieces_of_several_recordings_stay_apart() -> None:
    model, sounds = artifact("ctc", **OPEN), [_sound(2.5), _sound(0.4, 2), _sound(1.9, 3)]
    prepared = prepare(_request(*map(_pcm, sounds), chunk_length_s=1.0), model)
    assert _texts(prepared) == [model.pipeline(sound.copy(), chunk_length_s=1.0)["text"] for sound in sounds]


@pytest.mark.parametrize(
    ("granularity", "value"),
    [
        pytest.param(TimestampGranularity.WORD, "word", id="words"),
        pytest.param(TimestampGranularity.CHARACTER, "char", id="characters"),
    ],
)
def test_times_are_the_pipelines(granularity: TimestampGranularity, value: str) -> None:
    model, sound = artifact("ctc"), _sound(1.5)
    prepared = prepare(_request(_pcm(sound), timestamps=granularity), model)
    [result] = prepared.decode(_rows(prepared)).results
    expected = model.pipeline(sound.copy(), return_timestamps=value)
    assert result.text == expected["text"]
    assert [(chunk.text, (chunk.start_s, chunk.end_s)) for chunk in result.chunks] == [
        (chunk["text"], chunk["timestamp"]) for chunk in expected["chunks"]
    ]
    assert result.chunks


@pytest.mark.parametrize("timestamps", [None, TimestampGranularity.NONE], ids=["by default", "on request"])
def test_no_times(timestamps: TimestampGranularity | None) -> None:
    prepared = prepare(_request(_pcm(_sound(0.5)), timestamps=timestamps), artifact("ctc"))
    assert prepared.decode(_rows(prepared)).results[0].chunks == ()


def test_ctc_has_no_segments() -> None:
    with pytest.raises(InvalidInput, match="timestamps"):
        prepare(_request(_pcm(_sound(0.5)), timestamps=TimestampGranularity.SEGMENT), artifact("ctc"))


def test_a_recording_comes_in_three_ways(tmp_path: Path) -> None:
    sound = _sound(0.5)
    (tmp_path / "a.wav").write_bytes(_wav(sound))
    model = artifact("ctc", limits=Limits(uri_prefixes=(f"file://{tmp_path}/",)))
    inputs = (AudioInput(content=_wav(sound)), _pcm(sound), AudioInput(uri=f"file://{tmp_path}/a.wav"))
    items = prepare(_request(*inputs), model).items
    for item in items[1:]:
        np.testing.assert_array_equal(item.arrays["input_values"], items[0].arrays["input_values"])


BAD = [
    pytest.param((), "inputs", id="no inputs"),
    pytest.param((AudioInput(),), "inputs[0]", id="no source"),
    pytest.param((_pcm(_sound(0.1)), AudioInput(content=b"no sound")), "inputs[1].content", id="no recording"),
    pytest.param((_pcm(_sound(2.1)),), "inputs[0].pcm.samples", id="too long, as samples"),
    pytest.param((AudioInput(content=_wav(_sound(2.1))),), "inputs[0].content", id="too long, as a recording"),
    pytest.param((AudioInput(uri="file:///etc/passwd"),), "inputs[0].uri", id="a uri that is not allowed"),
    pytest.param((_pcm(_sound(0.1)), _pcm(_sound(0.002))), "inputs[1]", id="so short that the model hears nothing"),
    pytest.param((AudioInput(pcm=PcmAudio(b"\0\0", None, RATE_HZ)),), "inputs[0].pcm.encoding", id="no encoding"),
]


@pytest.mark.parametrize(("inputs", "field"), BAD)
def test_what_can_not_be_used_is_named(inputs: tuple[AudioInput, ...], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(_request(*inputs), artifact("ctc", limits=Limits(max_audio_s=2.0)))
    assert [violation.field for violation in caught.value.violations] == [field]


CUTTING = [
    pytest.param({"chunk_length_s": 1.0, "stride_length_s": 0.6}, id="pieces shorter than their overlaps"),
    pytest.param({"chunk_length_s": 0.0001}, id="pieces shorter than a sample"),
    pytest.param({"chunk_length_s": -1.0}, id="pieces of less than nothing"),
    pytest.param({"chunk_length_s": "long"}, id="a length that is text"),
]


@pytest.mark.parametrize("parameters", CUTTING)
def test_a_recording_that_can_not_be_cut_so(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"parameters|inputs"):
        prepare(_request(_pcm(_sound(0.5)), **parameters), artifact("ctc", **OPEN))


@pytest.mark.parametrize("key", ["max_new_tokens", "num_beams", "language", "frobnicate"])
def test_ctc_generates_nothing(key: str) -> None:
    with pytest.raises(UnsupportedParameter, match="parameters"):
        prepare(_request(_pcm(_sound(0.1)), **{key: 1}), artifact("ctc", **OPEN))


def test_pieces_of_other_lengths_never_share_a_batch() -> None:
    """A feature extractor that made no mask has no way to say what is padding."""
    items = prepare(_request(_pcm(_sound(0.5)), _pcm(_sound(0.5, 2)), _pcm(_sound(0.6))), artifact("ctc")).items
    assert (items[0].run, items[0].alike) == (items[1].run, items[1].alike)
    assert items[0].alike != items[2].alike


def test_a_model_in_bfloat16_reads_the_same() -> None:
    [item] = prepare(_request(_pcm(_sound(0.5))), artifact("ctc", dtype="bfloat16")).items
    assert item.arrays["input_values"].dtype == np.float32


def test_length_is_counted_in_what_the_model_has_positions_for() -> None:
    [item] = prepare(_request(_pcm(_sound(1.0))), artifact("ctc")).items
    assert item.length == 400


def test_the_probe_is_as_long_as_its_text() -> None:
    prepared = FAMILY.probe(artifact("ctc", limits=Limits(max_audio_s=0.1)), Probe("a" * 100))
    assert [item.arrays["input_values"].shape for item in prepared.items] == [(RATE_HZ,)]
    assert len(_texts(prepared)) == 1


WHISPERED = [
    pytest.param({"language": "de"}, id="a language by its code"),
    pytest.param({"language": "German"}, id="a language by its name"),
    pytest.param({"language": "<|de|>"}, id="a language by its token"),
    pytest.param({"task": "translate"}, id="a task"),
    pytest.param({"temperature": 0.0}, id="no temperature, which is Whisper's own"),
    pytest.param({"temperature": [0.0, 0.2]}, id="temperatures to fall back along"),
    pytest.param({"num_beams": 2, "max_new_tokens": 9}, id="generation"),
]


@pytest.mark.parametrize("parameters", WHISPERED)
def test_what_whisper_takes_reaches_it(parameters: dict[str, Any]) -> None:
    [item] = prepare(_request(_pcm(_sound(0.5)), **parameters), whisper()).items
    assert parameters.items() <= item.run.options.items()


UNHEARD = [
    pytest.param({"language": "klingon"}, "parameters.language", id="a language that it does not know"),
    pytest.param({"language": "spanish"}, "parameters.language", id="a language that only others know"),
    pytest.param({"language": ""}, "parameters.language", id="no language"),
    pytest.param({"language": 1}, "parameters.language", id="a language that is a number"),
    pytest.param({"task": "sing"}, "parameters.task", id="a task that it does not know"),
    pytest.param({"max_new_tokens": 0}, "parameters.max_new_tokens", id="no tokens"),
    pytest.param({"num_beams": 99}, "parameters.num_beams", id="too many beams"),
    pytest.param({"frobnicate": 1}, "parameters.frobnicate", id="an unknown keyword"),
    pytest.param({"temperature": "hot"}, "parameters.temperature", id="a temperature that is text"),
    pytest.param({"temperature": -1.0}, "parameters.temperature", id="a temperature below 0"),
    pytest.param({"temperature": []}, "parameters.temperature", id="no temperatures"),
    pytest.param({"no_speech_threshold": "x"}, "parameters.no_speech_threshold", id="a threshold that is text"),
]


@pytest.mark.parametrize(("parameters", "field"), UNHEARD)
def test_what_whisper_does_not_take_is_named(parameters: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(_request(_pcm(_sound(0.5)), **parameters), whisper())
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize("key", ["language", "task"])
def test_a_model_of_english_alone_takes_neither_language_nor_task(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whisper().pipeline.generation_config, "is_multilingual", False)
    with pytest.raises(InvalidInput, match=rf"parameters\.{key}: the model knows English only"):
        prepare(_request(_pcm(_sound(0.5)), **{key: "en"}), whisper())


def test_whisper_has_no_characters() -> None:
    with pytest.raises(InvalidInput, match="timestamps"):
        prepare(_request(_pcm(_sound(0.5)), timestamps=TimestampGranularity.CHARACTER), whisper())


def test_whisper_hears_30_seconds_whatever_the_length() -> None:
    items = prepare(_request(_pcm(_sound(0.5)), _pcm(_sound(2.0, 2))), whisper()).items
    assert (items[0].run, items[0].alike) == (items[1].run, items[1].alike)


def test_more_than_that_is_heard_by_the_times_that_it_predicts() -> None:
    short, long = prepare(_request(_pcm(_sound(0.5)), _pcm(_sound(31.0))), whisper()).items
    assert long.run.options["return_timestamps"] is True
    assert not short.run.options.get("return_timestamps")


def test_the_probe_of_whisper_takes_two_steps() -> None:
    assert [item.run.options for item in FAMILY.probe(whisper()).items] == [{"max_new_tokens": 2, "num_beams": 1}]
