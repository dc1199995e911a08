"""automatic-speech-recognition: recordings to text, and text while it is spoken.

Both are heard in the one way that `transcription` is; a stream is cut at its pauses into recordings first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from savor.flavor import recording
from savor.flavor.artifact import Artifact
from savor.flavor.audio import PcmAudio, PcmEncoding, PcmStream
from savor.flavor.errors import InvalidInput, Violation
from savor.flavor.family import Dialogue, Family, Method, Session
from savor.flavor.item import Prepared, Row, step
from savor.flavor.limits import Limits
from savor.flavor.listening import Heard, Listening
from savor.flavor.pauses import Segmenter
from savor.flavor.probe import Probe, tone
from savor.flavor.recording import AudioInput
from savor.flavor.transcription import (
    SpeechChunk,
    SpeechRecognitionResult,
    TimestampGranularity,
    Transcription,
    transcription,
)

_PAUSE_S = 0.7


@dataclass(frozen=True)
class RecognizeSpeechRequest:
    """Recordings to write down."""

    inputs: tuple[AudioInput, ...]
    parameters: Mapping[str, Any]
    timestamps: TimestampGranularity | None = None


@dataclass(frozen=True)
class RecognizeSpeechResponse:
    """One result for each input."""

    results: tuple[SpeechRecognitionResult, ...]


@dataclass(frozen=True)
class StreamingSpeechConfig:
    """How a stream of samples is to be heard. `model` is looked up before the stream comes here."""

    model: str
    encoding: PcmEncoding | None
    parameters: Mapping[str, Any]
    sample_rate_hz: int
    channels: int | None = None
    timestamps: TimestampGranularity | None = None
    interim_results: bool | None = None
    pause_s: float | None = None


@dataclass(frozen=True)
class StreamingRecognizeSpeechRequest:
    """How to listen, or the next samples."""

    config: StreamingSpeechConfig | None = None
    samples: bytes | None = None


@dataclass(frozen=True)
class StreamingSpeechResult:
    """The text of a piece of speech; times are seconds from the stream's start."""

    text: str
    is_final: bool
    start_s: float
    end_s: float
    chunks: tuple[SpeechChunk, ...]


@dataclass(frozen=True)
class StreamingRecognizeSpeechResponse:
    """What was heard since the last one."""

    results: tuple[StreamingSpeechResult, ...]


def prepare(request: RecognizeSpeechRequest, artifact: Artifact) -> Prepared:
    """Decodes each recording and cuts it as transformers' pipeline does."""
    artifact.limits.check_inputs(request.inputs)
    hearing, warnings = transcription(request.parameters, request.timestamps, artifact)
    fields = [f"inputs[{index}]" for index in range(len(request.inputs))]
    recordings = tuple(
        hearing.cut(recording.samples(given, field, artifact), field)
        for given, field in zip(request.inputs, fields, strict=True)
    )

    def decode(rows: Sequence[Row]) -> RecognizeSpeechResponse:
        return RecognizeSpeechResponse(hearing.join(recordings, rows))

    return Prepared(hearing.items(recordings), decode, warnings)


class _Session:
    """One stream: `Listening` says what was spoken, and each piece of it is a call of its own."""

    def __init__(self, listening: Listening, hearing: Transcription, warnings: tuple[str, ...]) -> None:
        self._listening, self._hearing, self._warnings = listening, hearing, warnings

    def hear(self, piece: StreamingRecognizeSpeechRequest) -> None:
        """See `Session.hear`."""
        if piece.config is not None:
            raise InvalidInput.at("config", "came again: only the first message of the stream sets it")
        if not piece.samples:
            raise InvalidInput.at("samples", "are missing: every message after the first brings some")
        self._listening.hear(piece.samples)

    def next(self, *, ended: bool) -> Prepared | None:
        """See `Session.next`."""
        heard = self._listening.next(ended=ended)
        if heard is None:
            return None
        warnings, self._warnings = self._warnings, ()
        return replace(_prepared(heard, self._hearing), warnings=warnings)


def _prepared(heard: Heard, hearing: Transcription) -> Prepared:
    recordings = (hearing.cut(heard.segment.samples, "samples"),)

    def decode(rows: Sequence[Row]) -> StreamingRecognizeSpeechResponse:
        [result] = hearing.join(recordings, rows)
        return StreamingRecognizeSpeechResponse((_placed(result, heard),))

    return Prepared(hearing.items(recordings), decode)


def _placed(result: SpeechRecognitionResult, heard: Heard) -> StreamingSpeechResult:
    """A segment's text at its place in the stream."""
    start_s, end_s = heard.segment.start_s, heard.segment.end_s
    chunks = (
        SpeechChunk(chunk.text, start_s + chunk.start_s, None if chunk.end_s is None else start_s + chunk.end_s)
        for chunk in result.chunks
    )
    return StreamingSpeechResult(result.text, heard.is_final, start_s, end_s, tuple(chunks))


def listen(config: StreamingSpeechConfig, artifact: Artifact) -> Session:
    """A stream's beginning. Raises InvalidInput for what is wrong with its config."""
    try:
        return _session(config, artifact)
    except InvalidInput as error:
        # Who checks a config's fields does not know where in the message they are.
        told = (Violation(f"config.{violation.field}", violation.problem) for violation in error.violations)
        raise type(error)(*told) from None


def _session(config: StreamingSpeechConfig, artifact: Artifact) -> _Session:
    hearing, warnings = transcription(config.parameters, config.timestamps, artifact)
    pause_s = _PAUSE_S if config.pause_s is None else config.pause_s
    if not 0.1 <= pause_s <= 10:
        raise InvalidInput.at("pause_s", f"is {pause_s:g}; it must be in 0.1 to 10 seconds")
    rate_hz = artifact.pipeline.feature_extractor.sampling_rate
    # Pieces that can't be cut so are told at once, not with the first that was spoken.
    hearing.cut(np.zeros(rate_hz, np.float32), "samples")
    stream = PcmStream(PcmAudio(b"", config.encoding, config.sample_rate_hz, config.channels), rate_hz)
    interim = config.interim_results is not False
    listening = Listening(stream, Segmenter(rate_hz, pause_s), interim=interim, field="samples")
    return _Session(listening, hearing, warnings)


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    rate_hz = artifact.pipeline.feature_extractor.sampling_rate
    tones = tone(probe.text, rate_hz)
    # Whatever callers may send, this runs.
    unlimited = replace(artifact, limits=Limits())
    prepared = prepare(RecognizeSpeechRequest((AudioInput(pcm=tones),), {}), unlimited)
    # Where nothing is said a sequence-to-sequence model goes on to its last token.
    writes = {"max_new_tokens": probe.tokens, "num_beams": 1}
    run = step({} if artifact.pipeline.type.startswith("ctc") else writes)
    return replace(prepared, items=tuple(replace(item, run=run) for item in prepared.items))


FAMILY = Family(
    name="automatic-speech-recognition",
    service="SpeechRecognitionService",
    tasks=frozenset({"automatic-speech-recognition"}),
    methods=(
        Method("RecognizeSpeech", RecognizeSpeechRequest, RecognizeSpeechResponse, prepare),
        Dialogue("StreamingRecognizeSpeech", StreamingRecognizeSpeechRequest, StreamingRecognizeSpeechResponse, listen),
    ),
    probe=_probe,
)
