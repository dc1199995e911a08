"""AnswerQuestion against mlflow.pyfunc: the best answer to each question, and the sane thing where MLflow has a defect."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import mlflow.exceptions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models import infer_signature

from savor.v1.common_pb2 import ParamValue
from savor.v1.question_answering_pb2 import (
    AnswerQuestionRequest,
    AnswerQuestionResponse,
    QuestionAnsweringInput,
    QuestionAnsweringParameters,
)
from savor.v1.question_answering_pb2_grpc import QuestionAnsweringServiceStub
from tests import tiny_models, tiny_pipelines
from tests.parity.oracle import pyfunc

LONG = " ".join(f"Word {n} of a text that is read in windows; other words, {n * 7} of them." for n in range(12))
PAIRS = [
    ("Who?", "The licensor grants a license."),
    ("What does the licensor grant?", "  A license, and with it every right.  "),
    ("?", "b"),
    ("Wo ist 🙂?", "Ünïcödé 日本語 🙂 and more 🙂"),
    ("'quoted'", "123"),
    ("Which words?", LONG),
]
PARAMS = {
    "top_k": 2,
    "max_answer_len": 15,
    "doc_stride": 20,
    "max_seq_len": 60,
    "handle_impossible_answer": False,
    "align_to_words": True,
}


@pytest.fixture(scope="module")
def with_params(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose signature has parameters, and two answers by default."""
    folder = tmp_path_factory.mktemp("models") / "reader-with-params"
    signature = infer_signature([{"question": "a", "context": "b"}], ["b"], params=PARAMS)
    return str(tiny_models.save(tiny_pipelines.reader(), folder, signature=signature))


@pytest.fixture(scope="module")
def stub(serving: Any, with_params: str) -> Iterator[QuestionAnsweringServiceStub]:
    with grpc.insecure_channel(serving("reader", with_params).target) as channel:
        yield QuestionAnsweringServiceStub(channel)


def _ask(
    stub: QuestionAnsweringServiceStub, pairs: Sequence[tuple[str, str]], model: str = "reader", **asked: Any
) -> AnswerQuestionResponse:
    inputs = [QuestionAnsweringInput(question=question, context=context) for question, context in pairs]
    return stub.AnswerQuestion(AnswerQuestionRequest(model=Path(model).name, inputs=inputs, **asked))


def _best(response: AnswerQuestionResponse) -> list[str]:
    return [result.answers[0].text.strip() for result in response.results]


def _records(pairs: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"question": question, "context": context} for question, context in pairs]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0])
def test_one_question(stub: QuestionAnsweringServiceStub, pair: tuple[str, str]) -> None:
    assert _best(_ask(stub, [pair])) == pyfunc("reader").predict(_records([pair])[0])


def test_a_batch_in_order(stub: QuestionAnsweringServiceStub) -> None:
    assert _best(_ask(stub, PAIRS)) == pyfunc("reader").predict(_records(PAIRS))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=30)), min_size=1, max_size=4))
def test_any_questions(stub: QuestionAnsweringServiceStub, pairs: list[tuple[str, str]]) -> None:
    assert _best(_ask(stub, pairs)) == pyfunc("reader").predict(_records(pairs))


@pytest.mark.parametrize(
    "params",
    [
        {"max_answer_len": 1},
        {"doc_stride": 0, "max_seq_len": 30},
        {"handle_impossible_answer": True},
        {"align_to_words": False},
    ],
    ids=str,
)
def test_parameters(stub: QuestionAnsweringServiceStub, with_params: str, params: dict[str, Any]) -> None:
    pairs = [PAIRS[0], PAIRS[5]]
    expected = [pyfunc(with_params).predict(record, params={**params, "top_k": 1})[0] for record in _records(pairs)]
    asked = QuestionAnsweringParameters(**params)
    reply = _ask(stub, pairs, with_params, parameters=asked, top_k=1)
    assert _best(reply) == expected
    assert not reply.warnings


def test_parameters_without_a_schema_are_dropped_with_a_warning(stub: QuestionAnsweringServiceStub) -> None:
    reply = _ask(stub, PAIRS, parameters=QuestionAnsweringParameters(max_answer_len=1))
    assert _best(reply) == pyfunc("reader").predict(_records(PAIRS))
    assert "max_answer_len" in reply.warnings[0]


def test_several_answers_are_grouped(stub: QuestionAnsweringServiceStub, with_params: str) -> None:
    """B7: MLflow gives one list of all answers to all questions; the typed door groups them by question."""
    flat = pyfunc(with_params).predict(_records(PAIRS[:2]))
    reply = _ask(stub, PAIRS[:2], with_params)
    assert [len(result.answers) for result in reply.results] == [2, 2]
    assert flat == [answer.text.strip() for result in reply.results for answer in result.answers]


def test_scores_and_places_are_the_pipelines(stub: QuestionAnsweringServiceStub) -> None:
    """MLflow keeps the text alone."""
    pipeline = tiny_pipelines.reader()
    for (question, context), result in zip(PAIRS, _ask(stub, PAIRS, top_k=3).results, strict=True):
        expected = pipeline(question=question, context=context, top_k=3)
        assert [(a.text, a.start, a.end) for a in result.answers] == [
            (a["answer"], a["start"], a["end"]) for a in expected
        ]
        assert [a.score for a in result.answers] == pytest.approx([a["score"] for a in expected], rel=1e-3, abs=1e-5)


def test_a_question_without_its_text_is_named(stub: QuestionAnsweringServiceStub) -> None:
    """MLflow cuts unequal lists to the shorter without a word; here a question brings its text."""
    unequal = {"question": ["Who?", "What?"], "context": ["The licensor grants a license."]}
    assert len(pyfunc("reader").predict(unequal)) == 1
    with pytest.raises(grpc.RpcError) as caught:
        _ask(stub, [PAIRS[0], ("What?", "")])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "inputs[1].context" in caught.value.details()


def test_an_empty_text_is_named(stub: QuestionAnsweringServiceStub) -> None:
    """B17: MLflow fails with a bare ValueError."""
    with pytest.raises(ValueError, match="`context` cannot be empty"):
        pyfunc("reader").predict({"question": "Who?", "context": ""})
    with pytest.raises(grpc.RpcError) as caught:
        _ask(stub, [("Who?", "")])
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_text_alone_is_no_question() -> None:
    """What the message's two fields stand for: MLflow takes no text without a question either."""
    with pytest.raises(mlflow.exceptions.MlflowException, match="question"):
        pyfunc("reader").predict({"context": "The licensor grants a license."})


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        pytest.param({"top_k": 0}, "top_k", id="no answers"),
        pytest.param(
            {"parameters": QuestionAnsweringParameters(extra={"top_k": ParamValue(int_value=0)})},
            "parameters.top_k",
            id="no answers by parameter",
        ),
        pytest.param(
            {"parameters": QuestionAnsweringParameters(doc_stride=61)}, "parameters.doc_stride", id="no new tokens"
        ),
        pytest.param(
            {"parameters": QuestionAnsweringParameters(max_seq_len=999)}, "parameters.max_seq_len", id="no such windows"
        ),
    ],
)
def test_what_would_fail_in_the_pipeline_is_named(
    stub: QuestionAnsweringServiceStub, with_params: str, asked: dict[str, Any], field: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        _ask(stub, [PAIRS[5]], with_params, **asked)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(f"{field}: ")
