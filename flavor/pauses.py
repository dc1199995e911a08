"""A stream of sound, cut where it pauses: every piece of speech once, with its place in the stream.

Sound is what stands out of the noise floor, the quiet moments of the last seconds; what is loud in itself is sound
whatever the floor, so that no speech is lost in noise. Silence is kept for as long as speech may follow it, and no
segment is longer than a model hears at once: memory is bounded.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from savor.flavor.audio import Samples

LONGEST_S = 28.0
"""Whisper hears 30 seconds."""

_FRAME_S = 0.02
_LEAD = 15
"""Frames before the first sound that belong to a segment, and after the last: soft sounds begin and end words."""
_ONSET, _ONSET_WITHIN = 5, 10
"""A segment opens when so many frames of so many are sound; fewer are a click."""
_RECENT = 250
"""A segment that grows too long is cut in its last frames, at the quietest of them."""
_SMOOTHED = 9
_FLOOR_FRAMES, _FLOOR_PERCENTILE = 750, 5
_MARGIN_DB = 8.0
_QUIETEST_DB, _LOUD_DB = -65.0, -35.0
"""Relative to full scale: below the first nothing is sound, above the second everything is."""


@dataclass(frozen=True)
class Segment:
    """A piece of speech: float32 samples, shape (samples,), and its place in the stream in seconds."""

    samples: Samples
    start_s: float
    end_s: float


@dataclass(frozen=True)
class _Frame:
    samples: Samples
    level_db: float
    loud: bool


class Segmenter:
    """Cuts one stream of samples."""

    def __init__(self, rate_hz: int, pause_s: float) -> None:
        self._rate_hz = rate_hz
        self._size = round(rate_hz * _FRAME_S)
        self._pause = round(pause_s / _FRAME_S)
        self._longest = round(LONGEST_S / _FRAME_S)
        self._rest: Samples = np.empty(0, np.float32)
        self._frames: list[_Frame] = []
        self._passed = 0
        """Samples of the stream before the frames."""
        self._quiet = 0
        """Frames since the last sound."""
        self._open = False
        self._levels: deque[float] = deque(maxlen=_FLOOR_FRAMES)

    def feed(self, samples: Samples) -> list[Segment]:
        """The segments that end within these samples."""
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) - len(joined) % self._size
        self._rest = joined[whole:]
        heard = (self._hear(frame) for frame in joined[:whole].reshape(-1, self._size))
        return [segment for segment in heard if segment is not None]

    def end(self) -> list[Segment]:
        """The segments that end with the stream."""
        last = [self._hear(self._rest) if len(self._rest) else None, self._close() if self._open else None]
        return [segment for segment in last if segment is not None]

    def extent(self) -> tuple[float, float] | None:
        """From when to when the open segment reaches by now, in seconds; None where there is none."""
        if not self._open or not any(frame.loud for frame in self._frames):
            return None
        return self._at(0), self._at(self._spoken())

    def so_far(self) -> Segment:
        """The open segment by now."""
        return self._segment(self._spoken())

    def _hear(self, samples: Samples) -> Segment | None:
        frame = self._frame(samples)
        self._frames.append(frame)
        self._quiet = 0 if frame.loud else self._quiet + 1
        if not self._open:
            self._wait()
        elif self._quiet >= self._pause:
            return self._close()
        elif len(self._frames) >= self._longest:
            return self._take(self._quietest())
        return None

    def _frame(self, samples: Samples) -> _Frame:
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        level_db = 10 * np.log10(power + 1e-10)
        self._levels.append(level_db)
        floor_db = float(np.percentile(self._levels, _FLOOR_PERCENTILE))
        threshold_db = min(max(floor_db + _MARGIN_DB, _QUIETEST_DB), _LOUD_DB)
        return _Frame(samples, level_db, level_db > threshold_db)

    def _wait(self) -> None:
        """Opens a segment where sound has set in; forgets what is too long before one."""
        late = len(self._frames) - _ONSET_WITHIN
        loud = [place for place in range(max(late, 0), len(self._frames)) if self._frames[place].loud]
        self._open = len(loud) >= _ONSET
        self._pass((loud[0] if self._open else late) - _LEAD)

    def _close(self) -> Segment | None:
        self._open = False
        return self._take(self._spoken())

    def _spoken(self) -> int:
        """How many frames reach to a little after the last sound."""
        return len(self._frames) - max(self._quiet - _LEAD, 0)

    def _take(self, count: int) -> Segment | None:
        """The first frames as a segment, None where all of them are silent."""
        segment = self._segment(count) if any(frame.loud for frame in self._frames[:count]) else None
        self._pass(count)
        return segment

    def _segment(self, count: int) -> Segment:
        samples = np.concatenate([frame.samples for frame in self._frames[:count]])
        return Segment(samples, self._at(0), self._at(count))

    def _at(self, count: int) -> float:
        """The time in the stream after so many of the frames, in seconds."""
        return (self._passed + sum(len(frame.samples) for frame in self._frames[:count])) / self._rate_hz

    def _pass(self, count: int) -> None:
        gone = self._frames[: max(count, 0)]
        self._passed += sum(len(frame.samples) for frame in gone)
        del self._frames[: len(gone)]

    def _quietest(self) -> int:
        """Where to cut a segment that has grown too long."""
        recent = np.array([frame.level_db for frame in self._frames[-_RECENT:]])
        smoothed = np.convolve(recent, np.ones(_SMOOTHED), "valid")
        return len(self._frames) - len(recent) + int(np.argmin(smoothed)) + _SMOOTHED // 2
