"""Generated text as it comes: sequences are shown one after another, and those whose turn has not come wait."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from savor.client import (
    CompleteChatReply,
    GenerateTextReply,
    SummarizeTextReply,
    TextGenerationDelta,
    TextStreamReply,
    TransformTextReply,
    TranslateTextReply,
)
from savor.server.cli.inputs import Input
from savor.server.cli.screen import Screen, line, safe

Written: TypeAlias = GenerateTextReply | TransformTextReply | SummarizeTextReply | TranslateTextReply


def show_stream(screen: Screen, inputs: Sequence[Input], replies: Iterable[TextStreamReply]) -> TextStreamReply:
    """Prints each piece of text as it comes, and gives the last reply back."""
    last = TextStreamReply((), None, (), "")
    transcript = Transcript(screen, inputs)
    try:
        for last in replies:
            transcript.add(last.results)
    finally:
        transcript.end_line()
    return last


def show_generated(screen: Screen, inputs: Sequence[Input], reply: Written) -> Written:
    """Prints every sequence of a reply that came whole."""
    transcript = Transcript(screen, inputs)
    transcript.add(
        [
            TextGenerationDelta(
                number, rank, each.text, each.finish_reason, each.token_count, result.prompt_token_count
            )
            for number, result in enumerate(reply.results)
            for rank, each in enumerate(result.sequences)
        ]
    )
    transcript.end_line()
    return reply


def show_chat(screen: Screen, inputs: Sequence[Input], reply: CompleteChatReply) -> CompleteChatReply:
    """Prints every message of a reply that came whole."""
    transcript = Transcript(screen, inputs)
    transcript.add(
        [
            TextGenerationDelta(
                number, rank, each.message.content, each.finish_reason, each.token_count, result.prompt_token_count
            )
            for number, result in enumerate(reply.results)
            for rank, each in enumerate(result.replies)
        ]
    )
    transcript.end_line()
    return reply


class Transcript:
    """What has been printed of some sequences, and what waits."""

    def __init__(self, screen: Screen, inputs: Sequence[Input]) -> None:
        self._screen = screen
        self._inputs = inputs
        self._waiting: dict[tuple[int, int], list[TextGenerationDelta]] = {}
        self._turn: tuple[int, int] | None = None
        self._in_line = False

    def add(self, pieces: Iterable[TextGenerationDelta]) -> None:
        """Prints what belongs to the sequence whose turn it is, and goes on to others when it has ended."""
        for piece in pieces:
            self._waiting.setdefault((piece.input, piece.sequence), []).append(piece)
        while self._waiting:
            if self._turn is None:
                self._turn = min(self._waiting)
                self._begin(*self._turn)
            if self._turn not in self._waiting:
                return
            for piece in self._waiting.pop(self._turn):
                self._write(piece)

    def end_line(self) -> None:
        """Leaves the cursor at the start of a line."""
        if self._in_line:
            self._screen.out.print()
        self._in_line = False

    def _begin(self, number: int, rank: int) -> None:
        several = len(self._inputs) > 1
        prompt = f"[{number + 1}] {self._inputs[number].shown}" if several and number < len(self._inputs) else ""
        header = ", ".join(filter(None, [prompt, f"sequence {rank + 1}" if rank else ""]))
        if header:
            self._screen.out.print(line(header, "bold"))

    def _write(self, piece: TextGenerationDelta) -> None:
        if piece.text:
            self._screen.out.out(safe(piece.text), end="", highlight=False)
            self._in_line = not piece.text.endswith("\n")
        if piece.finish_reason is not None:
            self.end_line()
            reason = piece.finish_reason.replace("_", " ")
            self._screen.note(f"{piece.prompt_token_count} prompt + {piece.token_count} new tokens · ended by {reason}")
            self._turn = None
