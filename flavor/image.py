"""Encoded images to pictures, as transformers loads them: upright by their EXIF, in RGB.

Nothing that a caller sends is trusted: size is known from the header before a pixel is decoded, only the listed formats
are tried, and an image that is damaged or cut short is refused rather than half seen.
"""

import io
from typing import Any

from savor.flavor.errors import InvalidInput

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_LONGEST_SIDE = 100
"""The most that one side may be of the other: scaled to a short side of 224 pixels, others would fill the memory."""


def decode(content: bytes, max_pixels: int, field: str) -> Any:
    """The `PIL.Image.Image` of an encoded image; of several frames the first. `field` is its path for errors.

    Raises InvalidInput for bytes that are no image, are damaged, or hold more than `max_pixels`.
    """
    from PIL import Image, UnidentifiedImageError
    from transformers.image_utils import load_image

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            _check_size(image.size, max_pixels, field)
            return load_image(image)
    except UnidentifiedImageError:
        raise InvalidInput.at(field, f"is no image; send one of {', '.join(_FORMATS)} as a whole file") from None
    except Image.DecompressionBombError:
        raise InvalidInput.at(field, _too_large(max_pixels)) from None
    except InvalidInput:
        raise
    # Pillow's readers fail on damaged files in whichever way the damage leads them.
    except Exception:
        raise InvalidInput.at(field, "is damaged or cut short: send the whole file") from None


def _check_size(size: tuple[int, int], max_pixels: int, field: str) -> None:
    width, height = size
    if width * height > max_pixels:
        raise InvalidInput.at(field, f"has {width} by {height} pixels: {_too_large(max_pixels)}")
    if max(size) > _LONGEST_SIDE * min(size):
        advice = f"one side may be {_LONGEST_SIDE} times the other at most; crop it"
        raise InvalidInput.at(field, f"has {width} by {height} pixels: {advice}")


def _too_large(max_pixels: int) -> str:
    return f"an image may have {max_pixels:,} pixels on this server; scale it down"
