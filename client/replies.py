"""What the families' methods return: frozen dataclasses with the field names of the messages, and tuples for lists.

Every reply has one result for each input, in input order, and tells where the time went, what the caller should know
(`warnings`) and which version of the model answered.
"""

import enum
from dataclasses import dataclass

from savor.client.tensor import Tensor


@dataclass(frozen=True)
class Timing:
    """Where the time of one call went, in seconds of wall clock."""

    queue_s: float = 0.0
    prepare_s: float = 0.0
    run_s: float = 0.0
    decode_s: float = 0.0


@dataclass(frozen=True)
class ScoredLabel:
    """A label with its score: a probability in [0, 1], or the bare logit where no function is applied."""

    label: str
    score: float


@dataclass(frozen=True)
class TextClassificationResult:
    """The labels of one text, best first."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyTextReply:
    """The labels of each text."""

    results: tuple[TextClassificationResult, ...]
    timing: Timing
    warnings: tuple[str, ...]
    model_version: str


@dataclass(frozen=True)
class FeatureExtractionResult:
    """The token vectors of one text: shape (tokens, hidden), float32."""

    features: Tensor


@dataclass(frozen=True)
class ExtractFeaturesReply:
    """The token vectors of each text."""

    results: tuple[FeatureExtractionResult, ...]
    timing: Timing
    warnings: tuple[str, ...]
    model_version: str


@dataclass(frozen=True)
class TextEmbedding:
    """The vector of one text, and how many tokens the model read, special tokens included."""

    values: tuple[float, ...]
    token_count: int


@dataclass(frozen=True)
class EmbedTextReply:
    """The vector of each text."""

    results: tuple[TextEmbedding, ...]
    timing: Timing
    warnings: tuple[str, ...]
    model_version: str


class FinishReason(enum.StrEnum):
    """Why a sequence ended: the model's end token, a stop text, or the most tokens allowed."""

    END_TOKEN = "end_token"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"


@dataclass(frozen=True)
class GeneratedSequence:
    """One continuation of a prompt. `token_count` counts the tokens generated, the end token included."""

    text: str
    finish_reason: FinishReason | None
    token_count: int


@dataclass(frozen=True)
class TextGenerationResult:
    """The sequences generated for one prompt, and how many tokens the prompt has after the template."""

    sequences: tuple[GeneratedSequence, ...]
    prompt_token_count: int


@dataclass(frozen=True)
class GenerateTextReply:
    """The generated sequences of each prompt."""

    results: tuple[TextGenerationResult, ...]
    timing: Timing
    warnings: tuple[str, ...]
    model_version: str


@dataclass(frozen=True)
class TextGenerationDelta:
    """A piece of one sequence: what follows the text sent so far. `input` and `sequence` count from 0.

    `finish_reason` is None until the sequence has ended; `token_count` counts the tokens generated so far.
    """

    input: int
    sequence: int
    text: str
    finish_reason: FinishReason | None
    token_count: int
    prompt_token_count: int


@dataclass(frozen=True)
class StreamGenerateTextReply:
    """The pieces that came up since the last reply. `timing`, `warnings` and `model_version` come with the last one."""

    results: tuple[TextGenerationDelta, ...]
    timing: Timing | None
    warnings: tuple[str, ...]
    model_version: str


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
class RecognizeSpeechReply:
    """The text of each recording."""

    results: tuple[SpeechRecognitionResult, ...]
    timing: Timing
    warnings: tuple[str, ...]
    model_version: str
