"""table-question-answering: questions about a table to its cells with an aggregator, or to an answer that is written.

TAPAS chooses cells and TAPEX writes, both as transformers' TableQuestionAnsweringPipeline has them do. A table is a
field with columns, never a text that is evaluated, and every question is answered, equal ones too.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from savor.flavor import generation, options, prompting, tables
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput, LoadRefused
from savor.flavor.family import Family, Method
from savor.flavor.item import Array, Forward, Item, Prepared, Row, as_row
from savor.flavor.options import Rule
from savor.flavor.probe import Probe
from savor.flavor.tables import Table, TableColumn

_MAX_TOKENS = 2048
"""Tokens at most for a TAPAS that counts positions anew in each cell, and so never runs out of them."""


@dataclass(frozen=True)
class AnswerTableQuestionRequest:
    """Questions about one table."""

    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    table: Table


@dataclass(frozen=True)
class CellCoordinate:
    """A cell's place, from 0; the names of the columns are no row."""

    row: int
    column: int


@dataclass(frozen=True)
class TableQuestionAnsweringResult:
    """The answer to one question."""

    answer: str
    aggregator: str = ""
    cells: tuple[str, ...] = ()
    coordinates: tuple[CellCoordinate, ...] = ()


@dataclass(frozen=True)
class AnswerTableQuestionResponse:
    """One result for each input."""

    results: tuple[TableQuestionAnsweringResult, ...]


@dataclass(frozen=True)
class _Choice:
    """Decodes what TAPAS chose. `given` are the model's inputs by question."""

    given: tuple[Row, ...]
    frame: Any
    pipeline: Any

    def __call__(self, rows: Sequence[Row]) -> AnswerTableQuestionResponse:
        return AnswerTableQuestionResponse(tuple(map(self._result, self.given, rows)))

    def _result(self, given: Row, row: Row) -> TableQuestionAnsweringResult:
        # What a batch padded behind the item is no part of it.
        outputs = [_batched(row["logits"][: len(given["input_ids"])])]
        if self.pipeline.aggregate:
            outputs.append(_batched(row["logits_aggregation"]))
        inputs = {name: _batched(array) for name, array in given.items()}
        answer = self.pipeline.postprocess({"model_inputs": inputs, "table": self.frame, "outputs": outputs})
        return TableQuestionAnsweringResult(
            answer["answer"],
            answer.get("aggregator", ""),
            tuple(answer["cells"]),
            tuple(CellCoordinate(*place) for place in answer["coordinates"]),
        )


def _batched(array: Array) -> Any:
    """A tensor of its own with a batch dimension: the tokenizer writes into what it decodes."""
    import torch

    return torch.from_numpy(array[None].copy())


@dataclass(frozen=True)
class _Writing:
    """Decodes what TAPEX wrote."""

    artifact: Artifact

    def __call__(self, rows: Sequence[Row]) -> AnswerTableQuestionResponse:
        assert self.artifact.encoder is not None
        with self.artifact.encoder.borrow() as tokenizer:
            written = [row["tokens"][0][: row["lengths"][0]].tolist() for row in rows]
            texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        return AnswerTableQuestionResponse(tuple(map(TableQuestionAnsweringResult, texts)))


def prepare(request: AnswerTableQuestionRequest, artifact: Artifact) -> Prepared:
    """Encodes the table once with each question."""
    artifact.limits.check_inputs(request.inputs)
    tables.check(request.table, request.inputs)
    given, warnings = artifact.options(request.parameters)
    truncation = _truncation(given, request.parameters, artifact)
    return replace(_ask(request, truncation, artifact), warnings=warnings)


def _chooses(artifact: Artifact) -> bool:
    """Whether the model is a TAPAS; the pipeline takes every other for a TAPEX."""
    if artifact.pipeline.type == "tapas":
        return True
    if not hasattr(artifact.pipeline.tokenizer, "table_linearize"):
        raise LoadRefused("table-question-answering needs a TAPAS model, or one with TAPEX's tokenizer")
    return False


def _one_of(*choices: bool | str) -> Rule:
    return lambda value: isinstance(value, bool | str) and value in choices, f"one of {', '.join(map(str, choices))}"


_RULES: Mapping[str, Rule] = {
    "sequential": (lambda value: value is False, "false: only PyfuncService answers questions that build on others"),
    "padding": _one_of(True, False, "longest", "max_length", "do_not_pad"),
}
"""The pipeline's options. Padding is the batcher's business."""

_TRUNCATION: Mapping[bool, Rule] = {
    True: _one_of(True, False, "drop_rows_to_fit", "do_not_truncate"),
    False: _one_of(True, False, "longest_first", "only_first", "do_not_truncate"),
}
"""By whether the model chooses cells."""


def _truncation(given: Mapping[str, Any], asked: Collection[str], artifact: Artifact) -> Any:
    """The one option that shapes tokens. A saved one that the pipeline does not know is ignored, as there."""
    rules = {**_RULES, "truncation": _TRUNCATION[_chooses(artifact)]}
    options.check({key: given[key] for key in asked if key in given}, rules)
    options.check_values(given, rules)
    return given.get("truncation")


def _ask(request: AnswerTableQuestionRequest, truncation: Any, artifact: Artifact) -> Prepared:
    way: Callable[..., Prepared] = _choose if _chooses(artifact) else _write
    return way(request.inputs, request.table, truncation, artifact)


def _encode(questions: Sequence[str], frame: Any, truncation: Any, artifact: Artifact) -> tuple[Row, ...]:
    assert artifact.encoder is not None
    with artifact.encoder.borrow() as tokenizer:
        # A list of its own: TAPAS empties the questions that its tokenizer is not to read.
        encoded = tokenizer(frame, list(questions), truncation=truncation, padding=False, verbose=False)
    return tuple(as_row({name: encoded[name][index] for name in encoded}) for index in range(len(questions)))


def _choose(questions: Sequence[str], table: Table, truncation: Any, artifact: Artifact) -> Prepared:
    frame, pipeline = tables.frame(table), artifact.pipeline
    truncation = "drop_rows_to_fit" if truncation is None else truncation
    _check_reach(table, truncation in (True, "drop_rows_to_fit"), pipeline)
    rows = _encode(questions, frame, truncation, artifact)
    for index, row in enumerate(rows):
        _check_tokens(f"inputs[{index}]", row, artifact)
    run = Forward(outputs=("logits", "logits_aggregation") if pipeline.aggregate else ("logits",))
    items = tuple(Item(row, len(row["input_ids"]), run, alike=tuple(row)) for row in rows)
    return Prepared(items, _Choice(rows, frame, pipeline))


_COLUMN = 1
"""Which of TAPAS's token types says the column; others say the row, and a number's rank among those of its column."""


def _check_reach(table: Table, truncates: bool, pipeline: Any) -> None:
    """Raises InvalidInput for more columns or rows than the tokenizer counts; it drops rows where it may."""
    tokenizer, sizes = pipeline.tokenizer, pipeline.model.config.type_vocab_sizes
    columns, most = len(table.columns), min(tokenizer.max_column_id, sizes[_COLUMN]) - 1
    if columns > most:
        raise InvalidInput.at("table.columns", f"has {columns} entries; the model tells {most} columns apart")
    rows, most = len(table.columns[0].cells), tokenizer.max_row_id - 1
    if rows > most and not truncates:
        raise InvalidInput.at("table", f"has {rows} rows; the model reads {most}: leave parameters.truncation out")


def _check_tokens(field: str, row: Row, artifact: Artifact) -> None:
    """Raises InvalidInput for what the model has no embedding for, where it would fail."""
    assert artifact.encoder is not None
    config, types = artifact.pipeline.model.config, row["token_type_ids"]
    limit = _MAX_TOKENS if config.reset_position_index_per_cell else artifact.encoder.max_tokens or _MAX_TOKENS
    if len(types) > limit:
        advice = "shorten the question, the table or the names of its columns"
        raise InvalidInput.at(field, f"has {len(types)} tokens with the table; the model reads {limit}: {advice}")
    if not types[:, _COLUMN].any():
        raise InvalidInput.at("table", "has no text: its names and cells are empty")
    if (types.max(axis=0) >= np.array(config.type_vocab_sizes)).any():
        problem = "has more rows, or more different numbers in a column, than the model tells apart"
        raise InvalidInput.at("table", f"{problem}: give fewer rows")


def _write(questions: Sequence[str], table: Table, truncation: Any, artifact: Artifact) -> Prepared:
    """As the pipeline, whose generation has no options but the model's own."""
    rows = _encode(questions, tables.frame(table), truncation or False, artifact)
    items = tuple(_writer(f"inputs[{index}]", row, artifact) for index, row in enumerate(rows))
    return Prepared(items, _Writing(artifact))


def _writer(field: str, row: Row, artifact: Artifact) -> Item:
    assert artifact.encoder is not None
    artifact.encoder.check_length(field, len(row["input_ids"]))
    return prompting.written_item(field, row, artifact)


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    table = Table((TableColumn("name", ("a", "b")), TableColumn("number", ("1", "2"))))
    prepared = _ask(AnswerTableQuestionRequest((probe.text,), {}, table), None, artifact)
    return prepared if _chooses(artifact) else generation.short(prepared, probe.tokens)


FAMILY = Family(
    name="table-question-answering",
    service="TableQuestionAnsweringService",
    tasks=frozenset({"table-question-answering"}),
    methods=(Method("AnswerTableQuestion", AnswerTableQuestionRequest, AnswerTableQuestionResponse, prepare),),
    probe=_probe,
)
