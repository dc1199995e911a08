"""question-answering: questions about texts to the pieces of the texts that answer them, grouped by question.

A text longer than the model reads at once is read in overlapping windows. Windows, scores and places are those of
transformers' QuestionAnsweringPipeline; equal answers out of several windows are one, with the sum of their scores.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from savor.flavor import options, windows
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput, WrongFamily
from savor.flavor.family import Family, Method
from savor.flavor.item import Array, Forward, Item, Prepared, Row
from savor.flavor.options import Rule, is_boolean, is_integer
from savor.flavor.probe import Probe
from savor.flavor.windows import Reading, Window

_MAX_TOP_K = 100
_NO_NULL_SCORE = 1_000_000
"""What transformers starts from when it looks for the least score of "there is no answer"."""


@dataclass(frozen=True)
class QuestionAnsweringInput:
    """A question about a text."""

    question: str
    context: str


@dataclass(frozen=True)
class AnswerQuestionRequest:
    """Questions, each about a text of its own. `top_k`: answers per question."""

    inputs: tuple[QuestionAnsweringInput, ...]
    parameters: Mapping[str, Any]
    top_k: int | None = None


@dataclass(frozen=True)
class Answer:
    """A piece of the text, `context[start:end]`."""

    text: str
    score: float
    start: int
    end: int


@dataclass(frozen=True)
class QuestionAnsweringResult:
    """The answers to one question, best first."""

    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class AnswerQuestionResponse:
    """One result for each input."""

    results: tuple[QuestionAnsweringResult, ...]


@dataclass(frozen=True)
class _Decoding:
    readings: tuple[Reading, ...]
    options: Mapping[str, Any]
    pipeline: Any

    def __call__(self, rows: Sequence[Row]) -> AnswerQuestionResponse:
        waiting = iter(rows)
        results = (self._result(reading, islice(waiting, len(reading.windows))) for reading in self.readings)
        return AnswerQuestionResponse(tuple(results))

    def _result(self, reading: Reading, rows: Iterator[Row]) -> QuestionAnsweringResult:
        """As the pipeline's postprocess, which compares every answer with every other."""
        places: dict[str, tuple[int, int]] = {}
        scores: defaultdict[str, float] = defaultdict(float)
        null_score: float = _NO_NULL_SCORE
        for window, row in zip(reading.windows, rows, strict=True):
            *spans, null_score = self._spans(window, row, null_score)
            for first, last, score in zip(*(span.tolist() for span in spans), strict=True):
                start, end = self._place(window.encoding, first, last)
                words = reading.context[start:end].lower()
                places.setdefault(words, (start, end))
                scores[words] += score
        answers = [Answer(reading.context[s:e], scores[words], s, e) for words, (s, e) in places.items()]
        if self.options["handle_impossible_answer"]:
            answers.append(Answer("", null_score, 0, 0))
        best = sorted(answers, key=lambda answer: answer.score, reverse=True)
        return QuestionAnsweringResult(tuple(best[: self.options["top_k"]]))

    def _spans(self, window: Window, row: Row, null_score: float) -> tuple[Array, Array, Array, float]:
        """The window's likeliest spans: first tokens, last tokens and scores, with the least null score so far."""
        from transformers.pipelines.question_answering import select_starts_ends

        top_k, tokens = self.options["top_k"], window.attention.shape[1]
        # Several spans may be the same words.
        count = 2 * top_k + 10 if self.options["align_to_words"] else top_k
        if count == tokens**2:
            # numpy's argpartition, behind this, fails when it is asked for exactly all.
            count += 1
        spans: tuple[Array, Array, Array, float] = select_starts_ends(
            row["start_logits"][None].astype(np.float32),
            row["end_logits"][None].astype(np.float32),
            window.unanswerable,
            window.attention,
            null_score,
            count,
            self.options["handle_impossible_answer"],
            # A larger number means the same, and numpy takes no larger one than an int64.
            min(self.options["max_answer_len"], tokens),
        )
        return spans

    def _place(self, encoding: Any, first: int, last: int) -> tuple[int, int]:
        """Where the words of a span of tokens are in the text."""
        sequence = 1 if self.pipeline.tokenizer.padding_side == "right" else 0
        start, end = self.pipeline.get_indices(encoding, first, last, sequence, self.options["align_to_words"])
        return start, end


def prepare(request: AnswerQuestionRequest, artifact: Artifact) -> Prepared:
    """Cuts each text into windows, each with its question."""
    if not artifact.pipeline.tokenizer.is_fast:
        raise WrongFamily("answers need a fast tokenizer, which knows where its tokens are in the text: call Predict")
    _check(request.inputs, artifact)
    given, warnings = artifact.options(request.parameters)
    settled = _settle(given, request)
    readings = windows.read([(pair.question, pair.context) for pair in request.inputs], settled, artifact)
    run = Forward(outputs=("start_logits", "end_logits"), per_token=True)
    items = tuple(
        Item(window.row, len(window.row["input_ids"]), run, alike=tuple(window.row))
        for reading in readings
        for window in reading.windows
    )
    return Prepared(items, _Decoding(readings, settled, artifact.pipeline), warnings)


def _check(inputs: Sequence[QuestionAnsweringInput], artifact: Artifact) -> None:
    artifact.limits.check_inputs(inputs)
    for index, given in enumerate(inputs):
        for name, text in (("question", given.question), ("context", given.context)):
            if not text:
                raise InvalidInput.at(f"inputs[{index}].{name}", "is empty")
            artifact.limits.check_text(f"inputs[{index}].{name}", text)


_POSITIVE: Rule = (is_integer(1), "an integer of 1 or more")
_BOOLEAN: Rule = (is_boolean, "true or false")
_PADDINGS = (True, False, "longest", "max_length", "do_not_pad")

_RULES: Mapping[str, Rule] = {
    "top_k": _POSITIVE,
    "topk": _POSITIVE,
    "max_answer_len": _POSITIVE,
    "max_seq_len": _POSITIVE,
    "max_question_len": _POSITIVE,
    "doc_stride": (is_integer(0), "an integer of 0 or more"),
    "handle_impossible_answer": _BOOLEAN,
    "align_to_words": _BOOLEAN,
    "padding": (lambda value: value in _PADDINGS, "true, false, longest, max_length or do_not_pad"),
}
"""The pipeline's options. Padding is the batcher's business, and only slow tokenizers cut questions."""

_DEFAULTS: Mapping[str, Any] = {
    "max_answer_len": 15,
    "handle_impossible_answer": False,
    "align_to_words": True,
}


def _settle(given: Mapping[str, Any], request: AnswerQuestionRequest) -> dict[str, Any]:
    """The options with transformers' defaults. A saved one that the pipeline does not know is ignored, as there."""
    asked = {key: given[key] for key in request.parameters if key in given}
    options.check(asked, _RULES)
    options.check_values(given, _RULES)
    known = {key: given[key] for key in _RULES if given.get(key) is not None}
    settled = {**_DEFAULTS, "top_k": known.get("topk", 1), **known}
    if request.top_k is not None:
        _check_top_k("top_k", request.top_k)
        settled["top_k"] = request.top_k
    elif {"top_k", "topk"} & asked.keys():
        _check_top_k("parameters.top_k", settled["top_k"])
    return settled


def _check_top_k(field: str, top_k: int) -> None:
    if not 1 <= top_k <= _MAX_TOP_K:
        raise InvalidInput.at(field, f"is {top_k}; it must be in [1, {_MAX_TOP_K}]")


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    question = QuestionAnsweringInput("What is it?", probe.text)
    return prepare(AnswerQuestionRequest((question,), {}), artifact)


FAMILY = Family(
    name="question-answering",
    service="QuestionAnsweringService",
    tasks=frozenset({"question-answering"}),
    methods=(Method("AnswerQuestion", AnswerQuestionRequest, AnswerQuestionResponse, prepare),),
    probe=_probe,
)
