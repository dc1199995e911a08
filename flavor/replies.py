"""Rows of generated tokens to the sequences that callers read, whole or as they come, grouped by input.

Every sequence of every input is kept, where MLflow keeps one, and white space at the ends of a text is kept too, where
MLflow strips it. A stop text ends a sequence and is not part of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from savor.flavor.item import Array, Row
from savor.flavor.sequences import FinishReason, Prompt, TextRules


@dataclass(frozen=True)
class GeneratedSequence:
    """One text that was generated for an input."""

    text: str
    finish_reason: FinishReason
    token_count: int


@dataclass(frozen=True)
class TextGenerationResult:
    """The sequences of one input, and how many tokens the input has after the template."""

    sequences: tuple[GeneratedSequence, ...]
    prompt_token_count: int


@dataclass(frozen=True)
class GenerateTextResponse:
    """One result for each input."""

    results: tuple[TextGenerationResult, ...]


@dataclass(frozen=True)
class TextGenerationDelta:
    """A piece of one sequence."""

    input: int
    sequence: int
    text: str
    finish_reason: FinishReason | None
    token_count: int
    prompt_token_count: int


@dataclass(frozen=True)
class StreamGenerateTextResponse:
    """The pieces that came up in one step."""

    results: tuple[TextGenerationDelta, ...]


@dataclass(frozen=True)
class Replies:
    """What turning rows into text needs: the call's rules and its prompts in input order."""

    rules: TextRules
    prompts: tuple[Prompt, ...]

    def decode(self, rows: Sequence[Row]) -> GenerateTextResponse:
        """The sequences of all inputs, once they have ended."""
        return GenerateTextResponse(tuple(map(self._result, self.prompts, rows)))

    def fold(self) -> "_Fold":
        """The sequences of all inputs, piece by piece."""
        return _Fold(self)

    def _result(self, prompt: Prompt, row: Row) -> TextGenerationResult:
        replies = [self.rules.reply(prompt, tokens, done=True) for tokens in generated(row)]
        sequences = (GeneratedSequence(r.text, r.finish_reason or FinishReason.LENGTH, r.token_count) for r in replies)
        return TextGenerationResult(tuple(sequences), prompt.token_count)


class _Fold:
    """The pieces of a call's sequences, each sent once."""

    def __init__(self, replies: Replies) -> None:
        self._replies = replies
        self._sent: dict[tuple[int, int], str] = {}
        self._ended: set[tuple[int, int]] = set()

    def step(self, rows: Mapping[int, Row]) -> StreamGenerateTextResponse | None:
        deltas = [
            delta
            for index, row in rows.items()
            for number, tokens in enumerate(generated(row))
            if (delta := self._delta((index, number), tokens, done=bool(row["done"][number])))
        ]
        return StreamGenerateTextResponse(tuple(deltas)) if deltas else None

    def _delta(self, key: tuple[int, int], tokens: Array, *, done: bool) -> TextGenerationDelta | None:
        if key in self._ended:
            return None
        prompt = self._replies.prompts[key[0]]
        reply = self._replies.rules.reply(prompt, tokens, done=done)
        sent = self._sent.get(key, "")
        piece = reply.text[len(sent) :]
        if reply.finish_reason is not None:
            self._ended.add(key)
        elif not piece:
            return None
        self._sent[key] = reply.text
        return TextGenerationDelta(*key, piece, reply.finish_reason, reply.token_count, prompt.token_count)


def generated(row: Row) -> Sequence[Array]:
    """The generated tokens of each of an item's sequences, without padding."""
    return [tokens[:length] for tokens, length in zip(row["tokens"], row["lengths"], strict=True)]
