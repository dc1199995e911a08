"""What the methods that write text return, whole or as it comes."""

import enum
from dataclasses import dataclass

from savor.client.conversations import ChatMessage
from savor.client.replies import FamilyReply, Timing


class FinishReason(enum.StrEnum):
    """Why a sequence ended: the model's end token, a stop text, or the most tokens allowed."""

    END_TOKEN = "end_token"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"


@dataclass(frozen=True)
class GeneratedSequence:
    """One text written for an input. `token_count` counts the tokens generated, the end token included."""

    text: str
    finish_reason: FinishReason | None
    token_count: int


@dataclass(frozen=True)
class TextGenerationResult:
    """The sequences written for one input, and how many tokens the input has after the template."""

    sequences: tuple[GeneratedSequence, ...]
    prompt_token_count: int


@dataclass(frozen=True)
class GenerateTextReply(FamilyReply):
    """The generated sequences of each prompt."""

    results: tuple[TextGenerationResult, ...]


@dataclass(frozen=True)
class TransformTextReply(FamilyReply):
    """What the model made of each text."""

    results: tuple[TextGenerationResult, ...]


@dataclass(frozen=True)
class SummarizeTextReply(FamilyReply):
    """The summaries of each text."""

    results: tuple[TextGenerationResult, ...]


@dataclass(frozen=True)
class TranslateTextReply(FamilyReply):
    """The translations of each text."""

    results: tuple[TextGenerationResult, ...]


@dataclass(frozen=True)
class ChatReply:
    """One message that may come next. `token_count` counts the tokens generated, the end token included."""

    message: ChatMessage
    finish_reason: FinishReason | None
    token_count: int


@dataclass(frozen=True)
class ChatResult:
    """What may come next in one conversation, and how many tokens the conversation has in its template."""

    replies: tuple[ChatReply, ...]
    prompt_token_count: int


@dataclass(frozen=True)
class CompleteChatReply(FamilyReply):
    """The next message of each conversation."""

    results: tuple[ChatResult, ...]


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
class TextStreamReply:
    """The pieces that came up since the last reply. `timing`, `warnings` and `model_version` come with the last one."""

    results: tuple[TextGenerationDelta, ...]
    timing: Timing | None
    warnings: tuple[str, ...]
    model_version: str


class StreamGenerateTextReply(TextStreamReply):
    """Pieces of generated sequences."""


class StreamTransformTextReply(TextStreamReply):
    """Pieces of transformed texts."""


class StreamSummarizeTextReply(TextStreamReply):
    """Pieces of summaries."""


class StreamTranslateTextReply(TextStreamReply):
    """Pieces of translations."""


class StreamCompleteChatReply(TextStreamReply):
    """Pieces of messages."""
