"""table-question-answering: cells and texts that are transformers' own, and tables that no model can read."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from savor.accel.eager import EagerBackend
from savor.flavor.artifact import Artifact
from savor.flavor.encoding import TextEncoder
from savor.flavor.errors import InvalidInput, LoadRefused, UnsupportedParameter
from savor.flavor.families.table_question_answering import (
    FAMILY,
    AnswerTableQuestionRequest,
    AnswerTableQuestionResponse,
    TableQuestionAnsweringResult,
    prepare,
)
from savor.flavor.item import Generate, Prepared, Row
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from savor.flavor.tables import Table, TableColumn
from tests import tiny_pipelines
from tests.accel.batches import alone, together
from tests.flavor.artifacts import artifact
from tests.flavor.families.tapex import table_writer_artifact

CITIES = {"city": ["paris", "berlin", "rome"], "people": ["2", "3", "2,5"], "since": ["1 may 1900", "", "1950"]}
QUESTIONS = ["how many?", "which city has more than 2 people, and since when is it there?", "1900", "日本語 🙂"]


def _table(columns: Mapping[str, Sequence[str]]) -> Table:
    return Table(tuple(TableColumn(name, tuple(cells)) for name, cells in columns.items()))


def _request(
    *questions: str, table: Mapping[str, Sequence[str]] = CITIES, **parameters: Any
) -> AnswerTableQuestionRequest:
    return AnswerTableQuestionRequest(questions, parameters, _table(table))


def _open(**limits: Any) -> Artifact:
    """A TAPAS that takes every parameter."""
    return artifact("table-reader", limits=Limits(**limits), unknown_params=Unknown.ALLOW)


def _answer(model: Artifact, prepared: Prepared, run: Any = together) -> AnswerTableQuestionResponse:
    rows: Sequence[Row] = run(EagerBackend(model), prepared.items)
    response = prepared.decode(rows)
    assert isinstance(response, AnswerTableQuestionResponse)
    return response


def _record(result: TableQuestionAnsweringResult) -> dict[str, Any]:
    places = [(place.row, place.column) for place in result.coordinates]
    record = {"answer": result.answer, "cells": list(result.cells), "coordinates": places}
    return {**record, "aggregator": result.aggregator} if result.aggregator else record


def _records(response: AnswerTableQuestionResponse) -> list[dict[str, Any]]:
    return [_record(result) for result in response.results]


def _piped(model: Artifact, questions: Sequence[str], table: Mapping[str, Any], **options: Any) -> list[Any]:
    """What the pipeline answers to each question alone."""
    return [model.pipeline(query=question, table=dict(table), **options) for question in questions]


TABLES = [
    pytest.param(CITIES, id="texts, numbers and dates"),
    pytest.param({"a": ["x"]}, id="one cell"),
    pytest.param({"": ["", "b"], "c": ["", ""]}, id="empty texts"),
    pytest.param({"a": ["None", "true", "{'x': 1}"]}, id="what Python and JSON would evaluate"),
    pytest.param({f"c{n}": ["1", "22", "x"] for n in range(12)}, id="many columns"),
    pytest.param({"a": ["x"] * 60, "b": ["yy"] * 60}, id="rows that are dropped"),
    pytest.param({"a": ["word " * 60, "b"]}, id="a cell that is cut"),
    pytest.param({"a": ["12", "12", "7"], "b": ["nan", "inf", "1e999"]}, id="numbers that are none"),
]


@pytest.mark.parametrize("table", TABLES)
def test_answers_are_the_pipelines(table: dict[str, list[str]]) -> None:
    model = _open()
    response = _answer(model, prepare(_request(*QUESTIONS, table=table), model))
    assert _piped(model, QUESTIONS, table) == _records(response)


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=1, max_size=12), st.lists(st.text(max_size=6), min_size=1, max_size=6))
def test_any_question_about_any_cells(question: str, cells: list[str]) -> None:
    model = _open()
    table = {"any": cells, "number": [str(n) for n in range(len(cells))]}
    response = _answer(model, prepare(_request(question, table=table), model))
    assert _piped(model, [question], table) == _records(response)


@pytest.mark.parametrize(
    "options",
    [
        {"truncation": True},
        {"truncation": "drop_rows_to_fit", "padding": "max_length"},
        {"truncation": False},
        {"truncation": None, "sequential": False, "padding": False},
    ],
    ids=str,
)
def test_options_mean_what_they_mean_to_the_pipeline(options: dict[str, Any]) -> None:
    model = _open()
    table = {"a": ["some words"] * 18, "b": ["2"] * 18}
    response = _answer(model, prepare(_request(*QUESTIONS, table=table, **options), model))
    assert _piped(model, QUESTIONS, table, **options) == _records(response)


def test_without_aggregators_there_are_cells_alone() -> None:
    plain = _open()
    config = copy.deepcopy(plain.pipeline.model.config)
    config.num_aggregation_labels, config.aggregation_labels = 0, None
    network = transformers.TapasForQuestionAnswering(config).eval()
    pipeline = transformers.pipeline("table-question-answering", model=network, tokenizer=plain.pipeline.tokenizer)
    model = replace(plain, pipeline=pipeline)
    response = _answer(model, prepare(_request(*QUESTIONS), model))
    assert _piped(model, QUESTIONS, CITIES) == _records(response)
    assert {result.aggregator for result in response.results} == {""}


def test_a_question_in_a_batch_is_answered_as_alone() -> None:
    model = _open()
    prepared = prepare(_request(*QUESTIONS), model)
    assert len({item.length for item in prepared.items}) > 2
    assert len({(item.run, item.alike) for item in prepared.items}) == 1
    rows, singles = together(EagerBackend(model), prepared.items), alone(EagerBackend(model), prepared.items)
    for row, single, item in zip(rows, singles, prepared.items, strict=True):
        # Tokens of no cell, and those of cells that are masked, hold huge numbers.
        for name in ("logits", "logits_aggregation"):
            np.testing.assert_allclose(row[name][: item.length], single[name][: item.length], rtol=1e-3, atol=1e-4)
    assert prepared.decode(rows) == prepared.decode(singles)


def test_questions_of_different_tables_share_a_batch() -> None:
    model = _open()
    tables = [{"a": ["x"]}, CITIES, {f"c{n}": ["1", "22", "x"] for n in range(8)}]
    calls = [prepare(_request("how many?", table=table), model) for table in tables]
    rows = together(EagerBackend(model), [call.items[0] for call in calls])
    answered = [call.decode([row]) for call, row in zip(calls, rows, strict=True)]
    assert [_records(one)[0] for one in answered] == [_piped(model, ["how many?"], table)[0] for table in tables]


def test_equal_questions_are_each_answered() -> None:
    model = _open()
    response = _answer(model, prepare(_request("how many?", "how many?"), model))
    assert response.results[0] == response.results[1]


def test_a_table_without_text_fails_in_the_pipeline() -> None:
    """Alone it fails there; among others it would shift their answers."""
    model, table = _open(), {"": ["", ""]}
    with pytest.raises(UnboundLocalError):
        _piped(model, ["how many?"], table)
    with pytest.raises(InvalidInput, match="table: has no text"):
        prepare(_request("how many?", table=table), model)


ONE = {"a": ["b"]}

BAD = [
    pytest.param(_request(), {}, "inputs", id="no questions"),
    pytest.param(_request("a", "b", "c"), {"max_inputs": 2}, "inputs", id="too many questions"),
    pytest.param(_request("a", ""), {}, "inputs[1]", id="an empty question"),
    pytest.param(_request("a", "b" * 1001), {}, "inputs[1]", id="a question of too many characters"),
    pytest.param(_request("a", table={}), {}, "table.columns", id="no columns"),
    pytest.param(_request("a", table={"a": []}), {}, "table.columns[0].cells", id="no rows"),
    pytest.param(_request("a", table={"a": ["b"], "c": []}), {}, "table.columns[1].cells", id="a shorter column"),
    pytest.param(_request("a", table={"a": ["b"], "c": ["d"] * 2}), {}, "table.columns[1].cells", id="a longer one"),
    pytest.param(
        AnswerTableQuestionRequest(("a",), {}, Table((TableColumn("n", ("b",)), TableColumn("n", ("c",))))),
        {},
        "table.columns[1].name",
        id="two columns of one name",
    ),
    pytest.param(_request("a", table={"n" * 1001: ["b"]}), {}, "table.columns[0].name", id="a long name"),
    pytest.param(_request("a", table={"n": ["b", "c" * 1001]}), {}, "table.columns[0].cells[1]", id="a long cell"),
    pytest.param(_request("a", table={"n": ["c" * 999] * 33}), {}, "table", id="too many characters"),
    pytest.param(_request("a", table={"n": ["c"] * 2049}), {}, "table", id="too many cells"),
    pytest.param(_request(*["a"] * 5, table={"n": ["c"] * 2048}), {}, "inputs", id="too many questions for the cells"),
    pytest.param(_request("1 " * 40, table={"n": ["c"] * 2048}), {}, "inputs", id="too many words for the cells"),
    pytest.param(_request("1a" * 20, table={"n": ["c"] * 2048}), {}, "inputs", id="numbers that are parts of words"),
    pytest.param(_request("a", table={f"c{n}": ["x"] for n in range(64)}), {}, "table.columns", id="columns"),
    pytest.param(_request("a", table={"a": ["x"] * 64}), {}, "table", id="rows"),
    pytest.param(_request("a", table={"a": ["x"] * 128}, truncation=False), {}, "table", id="rows of the tokenizer"),
    pytest.param(_request("a", table={"a": [str(n) for n in range(70)]}), {}, "table", id="different numbers"),
    pytest.param(_request("a", truncation="sometimes"), {}, "parameters.truncation", id="no truncation"),
    pytest.param(_request("a", truncation=1), {}, "parameters.truncation", id="a number as truncation"),
    pytest.param(_request("a", truncation=[]), {}, "parameters.truncation", id="a list as truncation"),
    pytest.param(_request("a", padding="sometimes"), {}, "parameters.padding", id="no padding"),
    pytest.param(_request("a", sequential=True), {}, "parameters.sequential", id="a conversation"),
]


@pytest.mark.parametrize(("request_", "limits", "field"), BAD)
def test_what_can_not_be_used_is_named(
    request_: AnswerTableQuestionRequest, limits: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(request_, _open(**limits))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_a_conversation_is_pyfuncs() -> None:
    with pytest.raises(InvalidInput, match="PyfuncService"):
        prepare(_request("a", sequential=True), _open())


def test_a_model_that_is_saved_for_conversations_still_loads() -> None:
    model = replace(_open(), config={"sequential": True})
    assert _answer(model, FAMILY.probe(model)).results
    with pytest.raises(InvalidInput, match=r"parameters\.sequential"):
        prepare(_request("a"), model)


def test_a_model_that_counts_positions_once_has_an_end() -> None:
    plain = _open()
    config = copy.deepcopy(plain.pipeline.model.config)
    config.reset_position_index_per_cell = False
    network = transformers.TapasForQuestionAnswering(config).eval()
    pipeline = transformers.pipeline("table-question-answering", model=network, tokenizer=plain.pipeline.tokenizer)
    model = replace(plain, pipeline=pipeline)
    assert prepare(_request("a"), model).items
    with pytest.raises(InvalidInput, match=r"inputs\[1\]: has \d+ tokens with the table; the model reads 128"):
        prepare(_request("a", "how many " * 20), model)


def test_a_parameter_that_the_pipeline_does_not_take() -> None:
    with pytest.raises(UnsupportedParameter, match=r"parameters\.top_k"):
        prepare(_request("a", top_k=1), _open())


def test_a_saved_option_that_the_pipeline_does_not_take_is_ignored_as_there() -> None:
    model = replace(artifact("table-reader"), config={"max_new_tokens": 1})
    assert prepare(_request("a"), model).items


def test_dropped_parameters_are_warned_of() -> None:
    assert (
        prepare(_request("a", truncation=True), artifact("table-reader"))
        .warnings[0]
        .startswith("parameters.truncation")
    )


def test_what_is_written_is_the_pipelines() -> None:
    model = table_writer_artifact()
    prepared = prepare(_request(*QUESTIONS), model)
    assert {type(item.run) for item in prepared.items} == {Generate}
    assert len({item.length for item in prepared.items}) > 1
    for run in (together, alone):
        response = _answer(model, prepared, run)
        assert _piped(model, QUESTIONS, CITIES) == [{"answer": result.answer} for result in response.results]
    assert len({result.answer for result in response.results}) == len(QUESTIONS)
    assert {(result.cells, result.coordinates, result.aggregator) for result in response.results} == {((), (), "")}


LONG = {"a": ["some words"] * 30}


def test_a_table_that_is_cut_for_a_writer() -> None:
    model = table_writer_artifact()
    response = _answer(model, prepare(_request("how many?", table=LONG, truncation=True), model))
    assert _piped(model, ["how many?"], LONG, truncation=True) == [{"answer": response.results[0].answer}]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        pytest.param(_request("a", table=LONG), "inputs[0]", id="more tokens than positions"),
        pytest.param(_request("a", truncation="drop_rows_to_fit"), "parameters.truncation", id="TAPAS's truncation"),
        pytest.param(_request("a", max_new_tokens=3), "parameters.max_new_tokens", id="options of generation"),
    ],
)
def test_what_a_writer_can_not_use_is_named(request_: AnswerTableQuestionRequest, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(request_, table_writer_artifact())
    assert [violation.field for violation in caught.value.violations] == [field]


def test_a_model_that_reads_no_tables_is_refused() -> None:
    own = tiny_pipelines.tokenizer(bert=False)
    network = tiny_pipelines.text2text().model
    pipeline = transformers.pipeline("table-question-answering", model=network, tokenizer=own)
    with pytest.raises(LoadRefused, match="TAPAS model, or one with TAPEX's tokenizer"):
        FAMILY.probe(replace(_open(), pipeline=pipeline, encoder=TextEncoder(own, None)))


@pytest.mark.parametrize("make", [_open, table_writer_artifact], ids=["chooses", "writes"])
def test_the_probe_is_a_call(make: Any) -> None:
    model = make()
    assert len(_answer(model, FAMILY.probe(model)).results) == 1
