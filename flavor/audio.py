"""Recordings to samples: float32, one channel, at the model's rate; decoded in process by FFmpeg's libraries (PyAV).

Nothing that a caller sends is trusted: length is bounded while decoding, samples must be finite, and a recording that
is shorter than its header says is refused rather than half understood. MP3 and Ogg are streams that say no length.
"""

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from savor.flavor.errors import InvalidInput

if TYPE_CHECKING:
    import av

Samples = npt.NDArray[np.float32]

_STREAMED = (0, 0xFFFFFFFF)
"""Sizes that programs write to a WAV header when they don't know the length yet."""


class PcmEncoding(Enum):
    """The type of a bare sample."""

    S16LE = "s16le"
    F32LE = "f32le"


_FORMATS: dict[PcmEncoding, tuple[str, np.dtype[Any]]] = {
    PcmEncoding.S16LE: ("s16", np.dtype("<i2")),
    PcmEncoding.F32LE: ("flt", np.dtype("<f4")),
}
"""What FFmpeg calls each type, and numpy."""


@dataclass(frozen=True)
class PcmAudio:
    """Bare samples, channels interleaved."""

    samples: bytes
    encoding: PcmEncoding | None
    sample_rate_hz: int
    channels: int | None = None


def decode(content: bytes, rate_hz: int, max_s: float, field: str) -> Samples:
    """The samples of an encoded recording, shape (samples,). `field` is its path for errors.

    Raises InvalidInput for bytes that are no recording, hold no sound, were cut short or last longer than `max_s`.
    """
    import av

    _check_complete_wav(content, field)
    try:
        with av.open(io.BytesIO(content), mode="r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise InvalidInput.at(field, "holds no audio stream")
            frames = container.decode(container.streams.audio[0])
            return _finish(_resampled(frames, rate_hz, max_s, field), field)
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        detail = getattr(error, "strerror", None) or "not a recording"
        advice = "send a whole file in a format that FFmpeg reads, or bare samples as pcm"
        raise InvalidInput.at(field, f"can't be decoded ({detail}): {advice}") from None


def from_pcm(pcm: PcmAudio, rate_hz: int, max_s: float, field: str) -> Samples:
    """The samples of bare PCM, shape (samples,), resampled and mixed to one channel as a recording's would be."""
    channels = _check_pcm(pcm, f"{field}.")
    assert pcm.encoding is not None
    if not pcm.samples:
        raise InvalidInput.at(f"{field}.samples", "holds no samples")
    if len(pcm.samples) // _FORMATS[pcm.encoding][1].itemsize / channels / pcm.sample_rate_hz > max_s:
        raise InvalidInput.at(f"{field}.samples", _too_long(max_s))
    frame = _frame(pcm, channels, f"{field}.samples")
    return _finish(_resampled(iter([frame]), rate_hz, max_s, field), field)


class PcmStream:
    """Bare PCM that arrives in pieces of any length, as the same samples that it would be in one.

    `form` says what a sample is; its own `samples` are none. Raises InvalidInput where it says nothing usable.
    """

    def __init__(self, form: PcmAudio, rate_hz: int) -> None:
        import av

        self._channels = _check_pcm(form, "")
        assert form.encoding is not None
        self._form = form
        self._size = _FORMATS[form.encoding][1].itemsize * self._channels
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
        self._rest = b""
        self.bytes_per_s = self._size * form.sample_rate_hz

    def feed(self, piece: bytes, field: str) -> Samples:
        """The samples that are certain by now, shape (samples,). Raises InvalidInput for NaN or infinite ones."""
        data = self._rest + piece
        whole = len(data) - len(data) % self._size
        self._rest = data[whole:]
        if not whole:
            return np.empty(0, np.float32)
        frame = _frame(replace(self._form, samples=data[:whole]), self._channels, field)
        return _joined(map(_samples, self._resampler.resample(frame)))

    def end(self) -> Samples:
        """The last samples."""
        return _joined(map(_samples, self._resampler.resample(None)))

    def check_whole(self, field: str) -> None:
        """Raises InvalidInput where the stream ended within a sample."""
        if self._rest:
            problem = f"end within a sample, {len(self._rest)} of whose {self._size} bytes came: send the rest"
            raise InvalidInput.at(field, problem)


def _frame(pcm: PcmAudio, channels: int, field: str) -> "av.AudioFrame":
    """The samples as FFmpeg takes them. Raises InvalidInput for NaN or infinite ones."""
    import av

    assert pcm.encoding is not None
    name, dtype = _FORMATS[pcm.encoding]
    values = np.frombuffer(pcm.samples, dtype)
    if not np.isfinite(values).all():
        raise InvalidInput.at(field, "holds NaN or infinite samples")
    frame = av.AudioFrame.from_ndarray(values[None, :].copy(), format=name, layout=f"{channels} channels")
    frame.sample_rate = pcm.sample_rate_hz
    return frame


def _check_pcm(pcm: PcmAudio, prefix: str) -> int:
    channels = 1 if pcm.channels is None else pcm.channels
    if pcm.encoding is None:
        raise InvalidInput.at(f"{prefix}encoding", "is not set; say S16LE or F32LE")
    if not 1_000 <= pcm.sample_rate_hz <= 384_000:
        raise InvalidInput.at(f"{prefix}sample_rate_hz", f"is {pcm.sample_rate_hz}; it must be in 1,000 to 384,000")
    if not 1 <= channels <= 16:
        raise InvalidInput.at(f"{prefix}channels", f"is {channels}; it must be in 1 to 16")
    size = _FORMATS[pcm.encoding][1].itemsize * channels
    if len(pcm.samples) % size:
        raise InvalidInput.at(f"{prefix}samples", f"has {len(pcm.samples)} bytes, not a multiple of {size}")
    return channels


def _resampled(frames: "Iterator[av.AudioFrame]", rate_hz: int, max_s: float, field: str) -> Iterator[Samples]:
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
    room = int(max_s * rate_hz)
    for frame in chain(frames, [None]):
        for piece in resampler.resample(frame):
            samples = _samples(piece)
            room -= len(samples)
            if room < 0:
                raise InvalidInput.at(field, _too_long(max_s))
            yield samples


def _finish(pieces: Iterator[Samples], field: str) -> Samples:
    samples = _joined(pieces)
    if not len(samples):
        raise InvalidInput.at(field, "holds no samples")
    if not np.isfinite(samples).all():
        raise InvalidInput.at(field, "holds NaN or infinite samples")
    return samples


def _joined(pieces: Iterable[Samples]) -> Samples:
    return np.concatenate([np.empty(0, np.float32), *pieces])


def _samples(frame: "av.AudioFrame") -> Samples:
    samples: Samples = frame.to_ndarray()[0]
    return samples


def _too_long(max_s: float) -> str:
    return f"lasts longer than the {max_s:g} seconds that this server takes; send it in parts"


def _check_complete_wav(content: bytes, field: str) -> None:
    """Refuses a WAV file whose header promises more samples than came: FFmpeg would not complain."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        here = len(content) - at - 8
        if name == b"data":
            if size not in _STREAMED and size > here:
                raise InvalidInput.at(field, f"is cut short: its header says {size} bytes of samples, {here} came")
            return
        at += 8 + size + size % 2
    raise InvalidInput.at(field, "is cut short: a WAV header without samples")
