"""How the answers of families look as tables: each shows one reply beside its inputs and gives the reply back."""

import math
from collections.abc import Sequence
from typing import TypeAlias

from rich.bar import Bar
from rich.console import RenderableType
from rich.table import Table

from savor.client import (
    AnswerQuestionReply,
    AnswerTableQuestionReply,
    ClassifyAudioReply,
    ClassifyImageReply,
    ClassifyTextReply,
    ClassifyTokensReply,
    ClassifyZeroShotReply,
    EmbedTextReply,
    ExtractFeaturesReply,
    FillMaskReply,
    PredictReply,
    ScoredLabel,
)
from savor.server.cli.inputs import Input
from savor.server.cli.screen import Screen, line, plain, table

Labelled: TypeAlias = ClassifyTextReply | ClassifyZeroShotReply | ClassifyAudioReply | ClassifyImageReply

_BAR_WIDTH = 20
_FIRST_VALUES = 4
_MATRIX_INPUTS = range(2, 11)


def show_labels(screen: Screen, inputs: Sequence[Input], reply: Labelled) -> Labelled:
    """Each input with its labels and their scores, a bar for those that are probabilities."""
    rows = table(screen.input_column("input"), "label", "score", "")
    labels: list[Sequence[ScoredLabel]] = [result.labels for result in reply.results]
    for each, result in zip(inputs, labels, strict=False):
        for rank, scored in enumerate(result):
            rows.add_row(line("" if rank else each.shown), line(scored.label, "bold"), *_scored(scored.score))
    screen.out.print(rows)
    return reply


def show_entities(screen: Screen, inputs: Sequence[Input], reply: ClassifyTokensReply) -> ClassifyTokensReply:
    """Each text with its entities: where they are, in code points, and their scores."""
    rows = table(screen.input_column("text"), "entity", "label", "place", "score", "")
    for each, result in zip(inputs, reply.results, strict=False):
        if not result.entities:
            rows.add_row(line(each.shown), plain("none", "dim"))
        for rank, entity in enumerate(result.entities):
            place = "-" if entity.start is None or entity.end is None else f"{entity.start}-{entity.end}"
            shown = (line("" if rank else each.shown), line(entity.word, "bold"), line(entity.label), place)
            rows.add_row(*shown, *_scored(entity.score))
    screen.out.print(rows)
    return reply


def show_answers(screen: Screen, inputs: Sequence[Input], reply: AnswerQuestionReply) -> AnswerQuestionReply:
    """Each question with its answers, where they are in the context, in code points, and their scores."""
    rows = table(screen.input_column("question"), "answer", "place", "score", "")
    for each, result in zip(inputs, reply.results, strict=False):
        for rank, answer in enumerate(result.answers):
            text = line(answer.text, "bold") if answer.text else plain("no answer", "dim")
            shown = (line("" if rank else each.shown), text, f"{answer.start}-{answer.end}")
            rows.add_row(*shown, *_scored(answer.score))
    screen.out.print(rows)
    return reply


def show_cells(screen: Screen, inputs: Sequence[Input], reply: AnswerTableQuestionReply) -> AnswerTableQuestionReply:
    """Each question about a table with its answer, and the cells that it comes from as row and column, from 0."""
    rows = table(screen.input_column("question"), "answer", "cells (row, column)")
    for each, result in zip(inputs, reply.results, strict=False):
        places = " ".join(f"({cell.row}, {cell.column})" for cell in result.coordinates)
        rows.add_row(line(each.shown), line(result.answer, "bold"), places)
    screen.out.print(rows)
    return reply


def show_masks(screen: Screen, inputs: Sequence[Input], reply: FillMaskReply) -> FillMaskReply:
    """Each text with the candidates for each of its masks."""
    rows = table(screen.input_column("text"), "mask", "token", "score", "", "with the token")
    for each, result in zip(inputs, reply.results, strict=False):
        first = each.shown
        for number, mask in enumerate(result.masks, 1):
            for candidate in mask.candidates:
                shown = (line(first), str(number), line(candidate.token, "bold"), *_scored(candidate.score))
                rows.add_row(*shown, line(candidate.sequence))
                first = ""
    screen.out.print(rows)
    return reply


def show_body(screen: Screen, _inputs: Sequence[Input], reply: PredictReply) -> PredictReply:
    """The answer of MLflow's scoring server as it is."""
    screen.out.print(plain(reply.json), soft_wrap=True)
    return reply


def _scored(score: float) -> tuple[str, RenderableType]:
    """A score, and a bar where it is a probability."""
    return f"{score:.4f}", Bar(1.0, 0.0, score, width=_BAR_WIDTH, color="green") if 0 <= score <= 1 else ""


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
