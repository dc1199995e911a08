"""How the answers of families look as tables: each shows one reply beside its inputs and gives the reply back."""

import math
from collections.abc import Sequence

from rich.bar import Bar
from rich.table import Table

from savor.client import (
    ClassifyTextReply,
    EmbedTextReply,
    ExtractFeaturesReply,
    RecognizeSpeechReply,
    SpeechRecognitionResult,
    Timing,
)
from savor.server.cli.inputs import Input
from savor.server.cli.screen import Screen, line, plain, table

_BAR_WIDTH = 20
_FIRST_VALUES = 4
_MATRIX_INPUTS = range(2, 11)


def show_labels(screen: Screen, inputs: Sequence[Input], reply: ClassifyTextReply) -> ClassifyTextReply:
    """Each input with its labels and their scores, a bar for those that are probabilities."""
    rows = table(screen.input_column("input"), "label", "score", "")
    for each, result in zip(inputs, reply.results, strict=False):
        for rank, scored in enumerate(result.labels):
            bar = Bar(1.0, 0.0, scored.score, width=_BAR_WIDTH, color="green") if 0 <= scored.score <= 1 else ""
            rows.add_row(line("" if rank else each.shown), line(scored.label, "bold"), f"{scored.score:.4f}", bar)
    screen.out.print(rows)
    return reply


def show_embeddings(screen: Screen, inputs: Sequence[Input], reply: EmbedTextReply) -> EmbedTextReply:
    """Each text with the start of its vector; the cosines between vectors where they fit the screen."""
    rows = table("", screen.input_column("text"), "first values", "size", "norm", "tokens")
    vectors = [result.values for result in reply.results]
    for number, (each, result) in enumerate(zip(inputs, reply.results, strict=False), 1):
        first = " ".join(f"{value:+.4f}" for value in result.values[:_FIRST_VALUES])
        sizes = (str(len(result.values)), f"{math.hypot(*result.values):.4f}", str(result.token_count))
        rows.add_row(str(number), line(each.shown), f"{first} …", *sizes)
    screen.out.print(rows)
    if len(vectors) in _MATRIX_INPUTS:
        screen.out.print(plain("\ncosine similarity", "italic"))
        screen.out.print(_similarity(vectors))
    return reply


def _similarity(vectors: Sequence[Sequence[float]]) -> Table:
    numbers = [str(number) for number in range(1, len(vectors) + 1)]
    rows = table("", *numbers)
    for number, vector in zip(numbers, vectors, strict=True):
        rows.add_row(number, *(_cosine(vector, other) for other in vectors))
    return rows


def _cosine(one: Sequence[float], other: Sequence[float]) -> str:
    scale = math.hypot(*one) * math.hypot(*other)
    return f"{sum(a * b for a, b in zip(one, other, strict=False)) / scale:.3f}" if scale else "-"


def show_features(screen: Screen, inputs: Sequence[Input], reply: ExtractFeaturesReply) -> ExtractFeaturesReply:
    """Each text with the shape of its token vectors."""
    rows = table(screen.input_column("text"), "shape (tokens x hidden)", "type")
    for each, result in zip(inputs, reply.results, strict=False):
        shape = " x ".join(str(length) for length in result.features.shape)
        rows.add_row(line(each.shown), shape, str(result.features.dtype or ""))
    screen.out.print(rows)
    return reply


def show_speech(screen: Screen, inputs: Sequence[Input], reply: RecognizeSpeechReply) -> RecognizeSpeechReply:
    """Each recording's text, and its pieces with their times where they were asked for; how fast it went."""
    for each, result in zip(inputs, reply.results, strict=False):
        screen.out.print(line(each.shown, "bold") + plain(f"  {result.audio_s:.1f} s", "dim"))
        screen.out.print(plain(result.text.strip()))
        if result.chunks:
            screen.out.print(_chunks(result))
    screen.note(_speed(sum(result.audio_s for result in reply.results), reply.timing))
    return reply


def _chunks(result: SpeechRecognitionResult) -> Table:
    rows = table("start", "end", "text")
    for chunk in result.chunks:
        end = "…" if chunk.end_s is None else f"{chunk.end_s:.2f}"
        rows.add_row(f"{chunk.start_s:.2f}", end, plain(chunk.text.strip()))
    return rows


def _speed(audio_s: float, timing: Timing) -> str:
    """The real-time factor: seconds of work for a second of audio, waiting in the queue left out."""
    work_s = timing.prepare_s + timing.run_s + timing.decode_s
    factor = f" · real-time factor {work_s / audio_s:.3f}" if audio_s else ""
    return f"{audio_s:.1f} s of audio{factor}"
