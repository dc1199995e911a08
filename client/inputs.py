"""What a caller passes as inputs, and how it becomes the messages' inputs: one item alone, or a list of items."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from savor.v1.image_classification_pb2 import ImageInput
from savor.v1.speech_recognition_pb2 import AudioInput, PcmAudio
from savor.v1.text_classification_pb2 import TextClassificationInput

PcmEncoding: TypeAlias = Literal["s16le", "f32le"]


@dataclass(frozen=True)
class TextPair:
    """A text, and the second text for models that compare two."""

    text: str
    text_pair: str | None = None


@dataclass(frozen=True)
class Pcm:
    """Bare samples, little-endian, channels interleaved.

    `sample_rate_hz` counts the samples of each channel per second, 1,000 to 384,000; `encoding` is "s16le" (signed
    16-bit integers) or "f32le" (32-bit floats of full scale -1 to 1); `channels` is 1 to 16, and they are averaged.
    """

    samples: bytes
    sample_rate_hz: int
    encoding: PcmEncoding
    channels: int = 1


@dataclass(frozen=True)
class Uri:
    """An http, https or file URL where the server finds a recording or an image. Servers refuse it by default."""

    uri: str


TextInput: TypeAlias = str | tuple[str, str] | TextPair
# Bytes are an encoded recording (WAV, FLAC, MP3 and others); a path is a file of this machine, read here and sent.
Audio: TypeAlias = bytes | Path | Pcm | Uri
# Likewise an encoded image (PNG, JPEG and others).
Image: TypeAlias = bytes | Path | Uri


Media = TypeVar("Media", bytes | Path | Pcm | Uri, bytes | Path | Uri)


def texts(inputs: str | Iterable[str], name: str = "inputs") -> list[str]:
    """The texts of a request's field `name`. Raises TypeError where one is no str."""
    items = [inputs] if isinstance(inputs, str) else list(inputs)
    for index, item in enumerate(items):
        if not isinstance(item, str):
            raise TypeError(f"{name}[{index}] must be a str, not {type(item).__name__}")
    return items


def text_pairs(inputs: str | TextPair | Iterable[TextInput]) -> list[TextClassificationInput]:
    """The texts and pairs of a request. Raises TypeError where an input is neither."""
    if isinstance(inputs, tuple):
        # Two texts or one pair? Guessing wrong would go unnoticed.
        raise TypeError("inputs must not be a tuple: put several inputs in a list, and a pair in a list or a TextPair")
    items = [inputs] if isinstance(inputs, str | TextPair) else inputs
    return [_text_pair(item, f"inputs[{index}]") for index, item in enumerate(items)]


def _text_pair(item: TextInput, path: str) -> TextClassificationInput:
    match item:
        case str():
            return TextClassificationInput(text=item)
        case (str(text), str(pair)) | TextPair(str(text), (str() | None) as pair):
            return TextClassificationInput(text=text, text_pair=pair)
    raise TypeError(f"{path} must be a str, a tuple of two or a TextPair, not {type(item).__name__}")


def recordings(inputs: Audio | Iterable[Audio]) -> list[AudioInput]:
    """The recordings of a request. Raises OSError where a file can't be read, TypeError where an input is no audio."""
    return [_recording(item, f"inputs[{index}]") for index, item in enumerate(_items(inputs))]


def _recording(item: Audio, path: str) -> AudioInput:
    match item:
        case bytes() | bytearray():
            return AudioInput(content=bytes(item))
        case Path():
            return AudioInput(content=item.read_bytes())
        case Pcm():
            return AudioInput(pcm=_samples(item, path))
        case Uri():
            return AudioInput(uri=item.uri)
    raise TypeError(f"{path} must be bytes, a pathlib.Path, a Pcm or a Uri, not {type(item).__name__}")


def images(inputs: Image | Iterable[Image]) -> list[ImageInput]:
    """The images of a request. Raises OSError where a file can't be read, TypeError where an input is no image."""
    return [_image(item, f"inputs[{index}]") for index, item in enumerate(_items(inputs))]


def _image(item: Image, path: str) -> ImageInput:
    match item:
        case bytes() | bytearray():
            return ImageInput(content=bytes(item))
        case Path():
            return ImageInput(content=item.read_bytes())
        case Uri():
            return ImageInput(uri=item.uri)
    raise TypeError(f"{path} must be bytes, a pathlib.Path or a Uri, not {type(item).__name__}")


def _items(inputs: Media | Iterable[Media]) -> Iterable[Media]:
    """One input alone as a list. A str, which is iterable too, is refused as an item."""
    return [inputs] if isinstance(inputs, bytes | bytearray | Path | Pcm | Uri | str) else inputs


def _samples(pcm: Pcm, path: str) -> PcmAudio:
    encodings: dict[str, str] = {"s16le": "PCM_ENCODING_S16LE", "f32le": "PCM_ENCODING_F32LE"}
    if pcm.encoding not in encodings:
        raise ValueError(f"{path}.encoding can't be {pcm.encoding!r}; use {' or '.join(encodings)}")
    return PcmAudio(
        samples=pcm.samples,
        encoding=encodings[pcm.encoding],
        sample_rate_hz=pcm.sample_rate_hz,
        channels=pcm.channels,
    )
