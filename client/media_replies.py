"""What the methods for recordings, live speech and images return."""

from dataclasses import dataclass

from savor.client.replies import FamilyReply, ScoredLabel


@dataclass(frozen=True)
class SpeechChunk:
    """A segment, word or character with its start and end, in seconds from the recording's start.

    `end_s` is None where the recording ends within the piece.
    """

    text: str
    start_s: float
    end_s: float | None


@dataclass(frozen=True)
class SpeechRecognitionResult:
    """The text of one recording of `audio_s` seconds, and its pieces where timestamps were asked for."""

    text: str
    chunks: tuple[SpeechChunk, ...]
    audio_s: float


@dataclass(frozen=True)
class RecognizeSpeechReply(FamilyReply):
    """The text of each recording."""

    results: tuple[SpeechRecognitionResult, ...]


@dataclass(frozen=True)
class StreamingSpeechResult:
    """The text of a piece of speech, from `start_s` to `end_s` seconds of the stream.

    The result after one that is not final stands in its place. `chunks` are there where timestamps were asked for, and
    count their seconds from the start of the stream.
    """

    text: str
    is_final: bool
    start_s: float
    end_s: float
    chunks: tuple[SpeechChunk, ...]


@dataclass(frozen=True)
class StreamingRecognizeSpeechReply(FamilyReply):
    """What was heard: one result, final or interim."""

    results: tuple[StreamingSpeechResult, ...]


@dataclass(frozen=True)
class AudioClassificationResult:
    """The labels of one recording, best first."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyAudioReply(FamilyReply):
    """The labels of each recording."""

    results: tuple[AudioClassificationResult, ...]


@dataclass(frozen=True)
class ImageClassificationResult:
    """The labels of one image, best first."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyImageReply(FamilyReply):
    """The labels of each image."""

    results: tuple[ImageClassificationResult, ...]
