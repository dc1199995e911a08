"""Calls that nobody sent, to warm a model up or to compare two ways of running it.

A text stands for every kind of input: the same one always gives the same recording and the same picture.
"""

import io
from dataclasses import dataclass

import numpy as np

from savor.flavor.audio import PcmAudio, PcmEncoding

_CHARACTER_S = 0.01
_SIDE = 64


@dataclass(frozen=True)
class Probe:
    """What a family makes a small call of. `tokens`: how many a model that generates is asked for."""

    text: str = "A text to warm up with."
    tokens: int = 2


def tone(text: str, rate_hz: int) -> PcmAudio:
    """A tone of 10 ms for each character, as high as its code says."""
    times_s = np.arange(int(rate_hz * _CHARACTER_S)) / rate_hz
    codes = np.frombuffer(text.encode(), np.uint8)
    tones = np.sin(2 * np.pi * (100 + 10 * codes[:, None].astype(np.float64)) * times_s)
    return PcmAudio((tones * 8_000).astype("<i2").tobytes(), PcmEncoding.S16LE, rate_hz)


def picture(text: str) -> bytes:
    """A PNG of 64 by 64 pixels, coloured by the text's bytes over and over."""
    from PIL import Image

    pixels = np.resize(np.frombuffer(text.encode(), np.uint8), (_SIDE, _SIDE, 3))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
