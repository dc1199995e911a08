"""Recordings and images of noise, the same for a seed."""

import io

import numpy as np
import soundfile
from PIL import Image


def noise(seed: int = 3, samples: int = 4_000) -> np.ndarray:
    """A quarter of a second of noise at 16 kHz, float32."""
    return np.random.default_rng(seed).normal(scale=0.1, size=samples).astype(np.float32)


def recording(seed: int = 3, samples: int = 4_000) -> bytes:
    """The same as a FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, noise(seed, samples), 16_000, format="FLAC")
    return file.getvalue()


def picture(seed: int = 3, size: tuple[int, int] = (32, 32)) -> bytes:
    """Coloured noise as a PNG file."""
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
