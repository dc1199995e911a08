"""A stream of bytes: pieces of any length make no difference, what is over is said once, and what is not now and then."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from savor.flavor import audio
from savor.flavor.audio import PcmAudio, PcmEncoding, PcmStream
from savor.flavor.errors import InvalidInput
from savor.flavor.listening import Heard, Listening
from savor.flavor.pauses import Segmenter

RATE_HZ = 16_000


def _sound(*seconds: float, rate_hz: int = RATE_HZ) -> Any:
    """Noise and silence in turn, so long each."""
    parts = [
        (0.3 if index % 2 == 0 else 0.0) * np.random.default_rng(index).standard_normal(int(rate_hz * length))
        for index, length in enumerate(seconds)
    ]
    return np.concatenate(parts).astype("<f4")


def _listening(rate_hz: int = RATE_HZ, *, interim: bool = False, **form: Any) -> Listening:
    pcm = PcmAudio(b"", form.pop("encoding", PcmEncoding.F32LE), rate_hz, **form)
    return Listening(PcmStream(pcm, RATE_HZ), Segmenter(RATE_HZ, 0.4), interim=interim, field="samples")


def _all(listening: Listening, *, ended: bool) -> list[Heard]:
    return list(iter(lambda: listening.next(ended=ended), None))


def _heard(listening: Listening, data: bytes, piece: int) -> list[Heard]:
    heard = []
    for at in range(0, len(data), piece):
        listening.hear(data[at : at + piece])
        heard += _all(listening, ended=False)
    return heard + _all(listening, ended=True)


@pytest.mark.parametrize("piece", [1_001, 1_280, 16_384, 10_000_000], ids="{} bytes".format)
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100], ids="{} Hz".format)
def test_segments_are_those_of_the_whole(rate_hz: int, piece: int) -> None:
    """Resampled without a seam: a sample that is split, or a piece that ends, is nothing that could be heard."""
    sound = _sound(1.0, 0.8, 1.3, 0.9, rate_hz=rate_hz)
    heard = _heard(_listening(rate_hz), sound.tobytes(), piece)
    whole = audio.from_pcm(PcmAudio(sound.tobytes(), PcmEncoding.F32LE, rate_hz), RATE_HZ, 60.0, "pcm")
    assert [each.is_final for each in heard] == [True, True]
    for each in heard:
        start = round(each.segment.start_s * RATE_HZ)
        np.testing.assert_array_equal(each.segment.samples, whole[start : start + len(each.segment.samples)])


def test_channels_are_mixed_as_those_of_a_recording() -> None:
    both = np.stack([_sound(1.0, 0.5), _sound(0.9, 0.6)], axis=1).tobytes()
    whole = audio.from_pcm(PcmAudio(both, PcmEncoding.F32LE, RATE_HZ, 2), RATE_HZ, 60.0, "pcm")
    [heard] = _heard(_listening(channels=2), both, 999)
    np.testing.assert_array_equal(heard.segment.samples, whole[: len(heard.segment.samples)])


def test_an_interim_result_each_second_and_a_final_one() -> None:
    heard = _heard(_listening(interim=True), _sound(3.5, 1.0, 0.3, 0.1).tobytes(), 1_280)
    assert [each.is_final for each in heard] == [False, False, False, True, True]
    first = heard[:4]
    assert len({each.segment.start_s for each in first}) == 1
    assert all(after.segment.end_s - before.segment.end_s >= 1.0 for before, after in pairwise(first[:3]))


def test_silence_says_nothing_new() -> None:
    listening = _listening(interim=True)
    listening.hear(_sound(0.0, 20.0).tobytes())
    assert _all(listening, ended=False) == []
    assert _all(listening, ended=True) == []


def test_a_long_piece_is_taken_as_far_as_the_next_thing_to_say() -> None:
    listening = _listening()
    listening.hear(_sound(*(1.0, 1.0) * 20).tobytes())
    first = listening.next(ended=False)
    assert first is not None
    assert len(listening._waiting) > 30 * listening._stream.bytes_per_s
    assert len(_all(listening, ended=True)) == 19


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
def test_samples_that_are_no_number(value: float) -> None:
    listening = _listening()
    listening.hear(np.array([0.0, value], "<f4").tobytes())
    with pytest.raises(InvalidInput, match="samples: holds NaN or infinite samples"):
        listening.next(ended=False)


def test_a_stream_that_ends_within_a_sample_says_what_it_heard_first() -> None:
    listening = _listening(encoding=PcmEncoding.S16LE)
    listening.hear((_sound(1.0) * 20_000).astype("<i2").tobytes() + b"\0")
    heard = listening.next(ended=True)
    assert heard is not None
    assert heard.is_final
    with pytest.raises(InvalidInput, match="samples: end within a sample, 1 of whose 2 bytes came"):
        listening.next(ended=True)


FORMS = [
    pytest.param({"encoding": None}, "encoding", id="no encoding"),
    pytest.param({"rate_hz": 0}, "sample_rate_hz", id="no rate"),
    pytest.param({"rate_hz": 400_000}, "sample_rate_hz", id="a rate too high"),
    pytest.param({"channels": 0}, "channels", id="no channels"),
    pytest.param({"channels": 17}, "channels", id="too many channels"),
]


@pytest.mark.parametrize(("form", "field"), FORMS)
def test_a_form_that_is_none(form: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _listening(**form)
    assert [violation.field for violation in caught.value.violations] == [field]
