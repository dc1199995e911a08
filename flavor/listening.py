"""What a stream of bare PCM says by now: the pieces of speech that are over, and now and then the one that is not yet.

Pieces wait as bytes and are made samples a second at a time, only as far as the next thing to say: however much a
client sends at once, what is held of it as samples stays short.
"""

from collections import deque
from dataclasses import dataclass

from savor.flavor.audio import PcmStream
from savor.flavor.pauses import Segment, Segmenter

_INTERIM_S = 1.0
"""New speech that is worth another interim result."""


@dataclass(frozen=True)
class Heard:
    """A piece of speech; `is_final` says that it is over."""

    segment: Segment
    is_final: bool


class Listening:
    """One stream, as far as it has come. `field` is the path of its pieces for errors."""

    def __init__(self, stream: PcmStream, segmenter: Segmenter, *, interim: bool, field: str) -> None:
        self._stream = stream
        self._segmenter = segmenter
        self._interim = interim
        self._field = field
        self._waiting = bytearray()
        self._over: deque[Segment] = deque()
        self._told_s = 0.0
        """Up to where in the stream something was said of the open segment."""
        self._ended = False

    def hear(self, piece: bytes) -> None:
        """Takes the next piece."""
        self._waiting += piece

    def next(self, *, ended: bool) -> Heard | None:
        """What is to be said now, None for nothing yet; after the end, for nothing more. Raises InvalidInput."""
        while self._waiting and not self._over:
            self._listen()
        if ended and not self._over:
            self._finish()
        if self._over:
            return Heard(self._over.popleft(), is_final=True)
        if ended:
            self._stream.check_whole(self._field)
        return self._so_far() if self._interim else None

    def _listen(self) -> None:
        second = bytes(self._waiting[: self._stream.bytes_per_s])
        del self._waiting[: len(second)]
        self._over.extend(self._segmenter.feed(self._stream.feed(second, self._field)))

    def _finish(self) -> None:
        if not self._ended:
            self._ended = True
            self._over.extend([*self._segmenter.feed(self._stream.end()), *self._segmenter.end()])

    def _so_far(self) -> Heard | None:
        extent = self._segmenter.extent()
        if extent is None or extent[1] - max(extent[0], self._told_s) < _INTERIM_S:
            return None
        self._told_s = extent[1]
        return Heard(self._segmenter.so_far(), is_final=False)
