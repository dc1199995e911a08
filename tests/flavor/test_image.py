"""Encoded images to pictures: as transformers loads them, and nothing of what a caller may do with damaged ones."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers.image_utils import load_image

from savor.flavor import image
from savor.flavor.errors import InvalidInput

MOST = 1_000_000


def picture(mode: str = "RGB", width: int = 40, height: int = 30) -> Any:
    """A picture of random pixels."""
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 4)).astype(np.uint8)
    return Image.fromarray(pixels, "RGBA").convert(mode)


def encoded(source: Any, kind: str = "PNG", **options: Any) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    source.save(file, kind, **options)
    return file.getvalue()


def _decode(content: bytes, max_pixels: int = MOST) -> Any:
    return image.decode(content, max_pixels, "inputs[0].content")


FORMATS = [
    pytest.param("PNG", "RGB", {}, id="PNG"),
    pytest.param("PNG", "RGBA", {}, id="PNG with transparency"),
    pytest.param("PNG", "L", {}, id="PNG in grey"),
    pytest.param("PNG", "P", {}, id="PNG with a palette"),
    pytest.param("PNG", "1", {}, id="PNG in black and white"),
    pytest.param("JPEG", "RGB", {}, id="JPEG"),
    pytest.param("JPEG", "CMYK", {}, id="JPEG in CMYK"),
    pytest.param("JPEG", "RGB", {"progressive": True}, id="progressive JPEG"),
    pytest.param("WEBP", "RGB", {}, id="WebP"),
    pytest.param("WEBP", "RGBA", {"lossless": True}, id="lossless WebP"),
    pytest.param("GIF", "P", {}, id="GIF"),
    pytest.param("BMP", "RGB", {}, id="BMP"),
    pytest.param("TIFF", "RGB", {}, id="TIFF"),
    pytest.param("TIFF", "L", {"compression": "tiff_lzw"}, id="TIFF with LZW"),
]


@pytest.mark.parametrize(("kind", "mode", "options"), FORMATS)
def test_a_picture_is_what_transformers_loads(kind: str, mode: str, options: dict[str, Any]) -> None:
    content = encoded(picture(mode), kind, **options)
    decoded = _decode(content)
    assert (decoded.mode, decoded.size) == ("RGB", (40, 30))
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(load_image(Image.open(io.BytesIO(content)))))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(picture(), "JPEG", exif=exif)
    decoded = _decode(content)
    assert decoded.size == ((40, 30) if orientation < 5 else (30, 40))
    np.testing.assert_array_equal(np.asarray(decoded), np.asarray(load_image(Image.open(io.BytesIO(content)))))


def test_of_several_frames_it_is_the_first() -> None:
    frames = [picture(), picture("L").convert("RGB")]
    content = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(np.asarray(_decode(content)), np.asarray(frames[0]))


NONE = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"no image", id="a text"),
    pytest.param(b"\x89PNG\r\n\x1a\n", id="a signature alone"),
    pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", id="PostScript, which would run a program"),
    pytest.param(encoded(picture(), "PPM"), id="a format that is not taken"),
    pytest.param(encoded(picture(), "ICO"), id="an icon"),
]


@pytest.mark.parametrize("content", NONE)
def test_what_is_no_image(content: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"inputs\[0\]\.content: (is no image|is damaged)"):
        _decode(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_file_that_is_cut_short(kind: str) -> None:
    content = encoded(picture(), kind)
    with pytest.raises(InvalidInput, match=r"inputs\[0\]\.content: is (damaged|no image)"):
        _decode(content[: len(content) // 2])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_damage_is_refused_or_seen_through(kind: str) -> None:
    """Whatever bytes are wrong, it ends in a picture or in an InvalidInput."""
    content, random = encoded(picture(), kind), np.random.default_rng(3)
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for place in random.integers(0, len(damaged), 12):
            damaged[place] = random.integers(0, 256)
        try:
            assert _decode(bytes(damaged)).mode == "RGB"
        except InvalidInput:
            refused += 1
    assert refused > 0 or kind == "BMP"


def _bomb(width: int, height: int) -> bytes:
    """A PNG of so many black pixels whose bytes are few."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


LARGE = [
    pytest.param(1001, 1000, "has 1001 by 1000 pixels", id="a little more than is taken"),
    pytest.param(9000, 9000, "an image may have 1,000,000 pixels", id="a bomb"),
    pytest.param(60_000, 60_000, "an image may have 1,000,000 pixels", id="a bomb that Pillow itself refuses"),
    pytest.param(5000, 40, "one side may be 100 times the other", id="a ribbon"),
]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height", "sentence"), LARGE)
def test_a_picture_that_is_too_large_is_not_decoded(width: int, height: int, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        _decode(_bomb(width, height))


def test_the_most_pixels_are_taken() -> None:
    assert _decode(encoded(picture(width=100, height=100)), 10_000).size == (100, 100)
