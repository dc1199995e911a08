"""AnswerTableQuestion against mlflow.pyfunc: the answers' texts, and the sane thing where MLflow has a defect."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models import infer_signature

from savor.v1.common_pb2 import ParamValue
from savor.v1.table_question_answering_pb2 import (
    AnswerTableQuestionRequest,
    AnswerTableQuestionResponse,
    Table,
    TableColumn,
    TableQuestionAnsweringParameters,
)
from savor.v1.table_question_answering_pb2_grpc import TableQuestionAnsweringServiceStub
from tests import tiny_models, tiny_pipelines
from tests.flavor.families.tapex import table_writer
from tests.parity.oracle import pyfunc

CITIES = {"city": ["paris", "berlin", "rome"], "people": ["2", "3", "2,5"]}
QUESTIONS = ["how many?", "which city has more than 2 people, and since when is it there?", "1900", "日本語 🙂"]


@pytest.fixture(scope="module")
def with_params(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose signature has parameters."""
    folder = tmp_path_factory.mktemp("models") / "table-reader-with-params"
    signature = infer_signature({"query": "a", "table": "b"}, "c", params={"truncation": True, "sequential": False})
    return str(tiny_models.save(tiny_pipelines.table_reader(), folder, signature=signature))


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A TAPEX."""
    return str(tiny_models.save(table_writer(), tmp_path_factory.mktemp("models") / "table-writer"))


@pytest.fixture(scope="module")
def stub(serving: Any, with_params: str, writer: str) -> Iterator[TableQuestionAnsweringServiceStub]:
    with grpc.insecure_channel(serving("table-reader", with_params, writer).target) as channel:
        yield TableQuestionAnsweringServiceStub(channel)


def _table(columns: Mapping[str, Sequence[str]]) -> Table:
    return Table(columns=[TableColumn(name=name, cells=cells) for name, cells in columns.items()])


def _ask(
    stub: TableQuestionAnsweringServiceStub,
    questions: Sequence[str],
    table: Mapping[str, Sequence[str]] = CITIES,
    model: str = "table-reader",
    **asked: Any,
) -> AnswerTableQuestionResponse:
    request = AnswerTableQuestionRequest(model=Path(model).name, inputs=questions, table=_table(table), **asked)
    return stub.AnswerTableQuestion(request)


def _answers(response: AnswerTableQuestionResponse) -> list[str]:
    return [result.answer.strip() for result in response.results]


def _rows(questions: Sequence[str], table: Mapping[str, Sequence[str]] = CITIES) -> list[dict[str, str]]:
    # Escaped, a character beyond U+FFFF would be two: see test_escaped_characters_stay_whole.
    return [{"query": question, "table": json.dumps(table, ensure_ascii=False)} for question in questions]


@pytest.mark.parametrize("question", QUESTIONS)
def test_one_question(stub: TableQuestionAnsweringServiceStub, question: str) -> None:
    assert _answers(_ask(stub, [question])) == pyfunc("table-reader").predict(_rows([question])[0])


def test_a_batch_in_order(stub: TableQuestionAnsweringServiceStub) -> None:
    assert _answers(_ask(stub, QUESTIONS)) == pyfunc("table-reader").predict(_rows(QUESTIONS))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=3, unique=True),
    st.lists(st.text(max_size=6), min_size=1, max_size=5),
)
def test_any_questions_about_any_cells(
    stub: TableQuestionAnsweringServiceStub, questions: list[str], cells: list[str]
) -> None:
    table = {"any": cells, "number": [str(n) for n in range(len(cells))]}
    assert _answers(_ask(stub, questions, table)) == pyfunc("table-reader").predict(_rows(questions, table))


def test_cells_places_and_aggregators_are_the_pipelines(stub: TableQuestionAnsweringServiceStub) -> None:
    """MLflow keeps the answer's text alone."""
    pipeline = tiny_pipelines.table_reader()
    for question, result in zip(QUESTIONS, _ask(stub, QUESTIONS).results, strict=True):
        expected = pipeline(query=question, table=dict(CITIES))
        assert (result.answer, result.aggregator) == (expected["answer"], expected["aggregator"])
        assert list(result.cells) == expected["cells"]
        assert [(place.row, place.column) for place in result.coordinates] == expected["coordinates"]


def test_equal_questions_are_each_answered(stub: TableQuestionAnsweringServiceStub) -> None:
    """B9: MLflow collapses rows, and drops one that equals the one before; the typed door answers each."""
    twice = ["how many?", "how many?"]
    assert len(pyfunc("table-reader").predict(_rows(twice))) == 1
    assert _answers(_ask(stub, twice)) == 2 * pyfunc("table-reader").predict(_rows(twice[:1]))


@pytest.mark.parametrize(
    "text",
    ['{"a": ["b", null]}', '{"a": [true]}', '{"a": ["b"]', '{"a": [1, 2]}'],
    ids=["null", "true", "unfinished", "numbers"],
)
def test_a_table_is_no_literal(stub: TableQuestionAnsweringServiceStub, text: str) -> None:
    """B9: MLflow reads the table's text as a Python literal and fails on JSON; here it is a field, and cells are texts."""
    with pytest.raises((ValueError, SyntaxError, TypeError, AttributeError)):
        pyfunc("table-reader").predict({"query": "how many?", "table": text})
    assert _answers(_ask(stub, ["how many?"], {"a": [text, "null", "True", "1"]}))


def test_escaped_characters_stay_whole(stub: TableQuestionAnsweringServiceStub) -> None:
    """B9: JSON escapes a character beyond U+FFFF as a pair, which Python's literals take for two broken characters."""
    table = {"a": ["🙂"]}
    [answer] = pyfunc("table-reader").predict({"query": "how many?", "table": json.dumps(table)})
    assert "\ud83d\ude42" in answer
    assert _ask(stub, ["how many?"], table).results[0].cells == ["🙂"]


def test_cells_that_look_like_literals_stay_as_they_are(stub: TableQuestionAnsweringServiceStub) -> None:
    table = {"a": ["None", "'b'", "{'c': 1}"]}
    [result] = _ask(stub, ["how many?"], table).results
    assert set(result.cells) <= set(table["a"])
    assert [result.answer.strip()] == pyfunc("table-reader").predict(_rows(["how many?"], table))


def test_parameters(stub: TableQuestionAnsweringServiceStub, with_params: str) -> None:
    table = {"a": ["some words"] * 18, "b": ["2"] * 18}
    for truncation in (True, False):
        expected = pyfunc(with_params).predict(_rows(["how many?"], table)[0], params={"truncation": truncation})
        asked = TableQuestionAnsweringParameters(truncation=truncation)
        reply = _ask(stub, ["how many?"], table, with_params, parameters=asked)
        assert _answers(reply) == expected
        assert not reply.warnings


def test_parameters_without_a_schema_are_dropped_with_a_warning(stub: TableQuestionAnsweringServiceStub) -> None:
    reply = _ask(stub, QUESTIONS, parameters=TableQuestionAnsweringParameters(truncation=False))
    assert _answers(reply) == pyfunc("table-reader").predict(_rows(QUESTIONS))
    assert "truncation" in reply.warnings[0]


def test_a_conversation_is_pyfuncs(stub: TableQuestionAnsweringServiceStub, with_params: str) -> None:
    asked = TableQuestionAnsweringParameters(extra={"sequential": ParamValue(bool_value=True)})
    with pytest.raises(grpc.RpcError) as caught:
        _ask(stub, QUESTIONS, CITIES, with_params, parameters=asked)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "parameters.sequential" in caught.value.details()
    assert "PyfuncService" in caught.value.details()


def test_what_is_written_is_mlflows(stub: TableQuestionAnsweringServiceStub, writer: str) -> None:
    assert _answers(_ask(stub, QUESTIONS, CITIES, writer)) == pyfunc(writer).predict(_rows(QUESTIONS))


@pytest.mark.parametrize(
    ("table", "field"),
    [
        pytest.param({}, "table.columns", id="no table"),
        pytest.param({"a": []}, "table.columns[0].cells", id="no rows"),
        pytest.param({"a": ["b"], "c": ["d", "e"]}, "table.columns[1].cells", id="columns of different length"),
        pytest.param({f"c{n}": ["x"] for n in range(64)}, "table.columns", id="more columns than the model knows"),
    ],
)
def test_a_table_that_would_fail_is_named(
    stub: TableQuestionAnsweringServiceStub, table: dict[str, list[str]], field: str
) -> None:
    """B17: MLflow fails on these with bare errors out of pandas and torch."""
    with pytest.raises((ValueError, IndexError, RuntimeError)):
        pyfunc("table-reader").predict({"query": "how many?", "table": json.dumps(table)})
    with pytest.raises(grpc.RpcError) as caught:
        _ask(stub, ["how many?"], table)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(f"{field}: ")
