"""A stream cut at its pauses: every sound once and at its time, silence left out, nothing longer than a model hears."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from savor.flavor.pauses import LONGEST_S, Segment, Segmenter

RATE_HZ = 16_000
FRAME = 320

Sound = npt.NDArray[np.float32]


def _noise(seconds: float, level: float = 0.3) -> Sound:
    values = np.random.default_rng(int(seconds * 1000)).standard_normal(int(RATE_HZ * seconds))
    return (level * values).astype(np.float32)


def _silence(seconds: float, level: float = 0.0) -> Sound:
    return _noise(seconds, level)


def _cut(*parts: Sound, pause_s: float = 0.7, piece: int | None = None) -> list[Segment]:
    whole = np.concatenate(parts)
    segmenter = Segmenter(RATE_HZ, pause_s)
    pieces = np.split(whole, range(piece, len(whole), piece)) if piece else [whole]
    return [*(segment for each in pieces for segment in segmenter.feed(each)), *segmenter.end()]


def _places(segments: list[Segment]) -> Any:
    return [(segment.start_s, segment.end_s) for segment in segments]


def test_speech_between_silence_is_one_segment_with_a_little_around_it() -> None:
    sound = (_silence(1.0), _noise(2.0), _silence(2.0))
    [segment] = _cut(*sound)
    assert 0.6 <= segment.start_s <= 0.75
    assert 3.25 <= segment.end_s <= 3.35
    start = round(segment.start_s * RATE_HZ)
    np.testing.assert_array_equal(segment.samples, np.concatenate(sound)[start : start + len(segment.samples)])


def test_a_pause_ends_a_segment_and_less_than_one_does_not() -> None:
    parts = (_silence(0.5), _noise(1.0), _silence(0.5), _noise(1.1), _silence(1.0), _noise(1.2), _silence(1.0))
    assert len(_cut(*parts)) == 2
    assert len(_cut(*parts, pause_s=0.4)) == 3
    assert len(_cut(*parts, pause_s=2.0)) == 1


def test_segments_never_overlap_and_keep_their_order() -> None:
    parts = [part for _ in range(6) for part in (_noise(0.8), _silence(0.25))]
    places = _places(_cut(*parts, pause_s=0.1))
    assert len(places) == 6
    edges = [edge for place in places for edge in place]
    assert edges == sorted(edges)


SILENT = [
    pytest.param(_silence(5.0), id="zeros"),
    pytest.param(_silence(5.0, 1e-4), id="a quiet room"),
    pytest.param(np.empty(0, np.float32), id="nothing"),
    pytest.param(np.full(RATE_HZ, 1e-6, np.float32), id="almost nothing"),
    pytest.param(np.concatenate([_silence(2.0), _noise(0.04), _silence(2.0)]), id="a click"),
]


@pytest.mark.parametrize("sound", SILENT)
def test_silence_is_nobodys(sound: Sound) -> None:
    assert _cut(sound) == []


def test_a_hiss_is_the_floor_from_which_speech_stands_out() -> None:
    hiss = 0.004
    [segment] = _cut(_noise(2.0, hiss), _noise(1.5, 0.1), _noise(3.0, hiss))
    assert segment.start_s == pytest.approx(1.7, abs=0.1)
    assert segment.end_s == pytest.approx(3.8, abs=0.1)


def test_soft_speech_counts_in_a_quiet_room() -> None:
    [segment] = _cut(_noise(2.0, 1e-4), _noise(1.5, 2e-3), _noise(3.0, 1e-4))
    assert segment.start_s == pytest.approx(1.7, abs=0.1)


def test_what_is_loud_is_never_left_out() -> None:
    """An even noise is a floor by itself, but nobody can know what is said in it."""
    segments = _cut(_noise(40.0))
    assert sum(len(segment.samples) for segment in segments) == 40 * RATE_HZ


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    parts = (_noise(25.0), _noise(0.3, 0.05), _noise(10.0))
    first, second = _cut(*parts)
    assert 25.0 <= first.end_s <= 25.3
    assert first.end_s == second.start_s
    assert len(first.samples) + len(second.samples) == len(np.concatenate(parts))


def test_no_segment_is_longer_than_a_model_hears() -> None:
    assert max(end - start for start, end in _places(_cut(_noise(90.0)))) <= LONGEST_S


def test_what_is_left_at_the_end_is_a_segment() -> None:
    [segment] = _cut(_silence(0.5), _noise(1.0), np.full(7, 0.5, np.float32))
    assert segment.end_s == pytest.approx(1.5 + 7 / RATE_HZ)


@pytest.mark.parametrize("piece", [1, 37, FRAME, 16_001], ids="{} samples".format)
def test_the_pieces_that_it_comes_in_make_no_difference(piece: int) -> None:
    parts = (_silence(0.3), _noise(0.5), _silence(0.6), _noise(0.4), _silence(0.1))
    for one, other in zip(_cut(*parts, pause_s=0.4), _cut(*parts, pause_s=0.4, piece=piece), strict=True):
        assert (one.start_s, one.end_s) == (other.start_s, other.end_s)
        np.testing.assert_array_equal(one.samples, other.samples)


def test_the_open_segment_reaches_to_the_last_sound() -> None:
    segmenter = Segmenter(RATE_HZ, 2.0)
    assert segmenter.extent() is None
    segmenter.feed(np.concatenate([_silence(0.5), _noise(1.0), _silence(1.5)]))
    extent = segmenter.extent()
    assert extent == (pytest.approx(0.14, abs=0.1), pytest.approx(1.8, abs=0.05))
    assert len(segmenter.so_far().samples) == round((extent[1] - extent[0]) * RATE_HZ)


def test_memory_is_bounded_in_silence_and_in_speech() -> None:
    segmenter = Segmenter(RATE_HZ, 10.0)
    for _ in range(60):
        segmenter.feed(_silence(1.0))
    assert len(segmenter._frames) < 50
    for _ in range(60):
        segmenter.feed(_noise(1.0))
    assert len(segmenter._frames) <= LONGEST_S / 0.02
