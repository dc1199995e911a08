"""What the methods for texts, questions and tables put on the wire, sync and aio alike."""

from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from savor.client import Question
from savor.v1 import fill_mask_pb2 as masks
from savor.v1 import question_answering_pb2 as questions
from savor.v1 import table_question_answering_pb2 as tables
from savor.v1 import text2text_pb2 as text2text
from savor.v1 import token_classification_pb2 as tokens
from savor.v1 import zero_shot_classification_pb2 as zero_shot
from tests.client.conftest import EitherClient
from tests.client.serving import Script

TABLE = 'columns { name: "a" cells: "1" cells: "x" } columns { name: "b" cells: "2.5" cells: "" }'

SENT: list[tuple[str, list[Any], dict[str, Any], type[Message], str]] = [
    ("classify_tokens", ["a"], {}, tokens.ClassifyTokensRequest, 'inputs: "a"'),
    (
        "classify_tokens",
        [["a", ""]],
        {"model": "m", "aggregation_strategy": "max", "parameters": {"stride": 4, "ignore_labels": ["O"]}},
        tokens.ClassifyTokensRequest,
        'model: "m" inputs: "a" inputs: "" aggregation_strategy: AGGREGATION_STRATEGY_MAX parameters { stride: 4'
        ' extra { key: "ignore_labels" value { list_value { values { string_value: "O" } } } } }',
    ),
    (
        "classify_zero_shot",
        ["a"],
        {"candidate_labels": "x, y"},
        zero_shot.ClassifyZeroShotRequest,
        'inputs: "a" candidate_labels: "x, y"',
    ),
    (
        "classify_zero_shot",
        [["a"]],
        {"candidate_labels": ("x", "y"), "hypothesis_template": "{}!", "multi_label": False, "model": "m"},
        zero_shot.ClassifyZeroShotRequest,
        'model: "m" inputs: "a" candidate_labels: "x" candidate_labels: "y" hypothesis_template: "{}!" multi_label: false',
    ),
    ("fill_mask", ["[MASK]"], {}, masks.FillMaskRequest, 'inputs: "[MASK]"'),
    (
        "fill_mask",
        [["a"]],
        {"top_k": 2, "targets": ["x", "y"], "model": "m", "parameters": {"tokenizer_kwargs": {"truncation": True}}},
        masks.FillMaskRequest,
        'model: "m" inputs: "a" top_k: 2 targets: "x" targets: "y" parameters { extra { key: "tokenizer_kwargs" value'
        ' { struct_value { fields { key: "truncation" value { bool_value: true } } } } } }',
    ),
    (
        "answer_question",
        [Question("q", "c")],
        {},
        questions.AnswerQuestionRequest,
        'inputs { question: "q" context: "c" }',
    ),
    (
        "answer_question",
        [{"question": "q", "context": "c"}],
        {"model": "m", "top_k": 0},
        questions.AnswerQuestionRequest,
        'model: "m" inputs { question: "q" context: "c" } top_k: 0',
    ),
    (
        "answer_question",
        [[("a", "b"), Question("c", "d"), {"question": "e", "context": "f"}]],
        {"parameters": {"max_answer_len": 3, "align_to_words": False}},
        questions.AnswerQuestionRequest,
        'inputs { question: "a" context: "b" } inputs { question: "c" context: "d" }'
        ' inputs { question: "e" context: "f" } parameters { max_answer_len: 3 align_to_words: false }',
    ),
    (
        "answer_table_question",
        ["q"],
        {"table": {"a": [1, "x"], "b": (2.5, "")}},
        tables.AnswerTableQuestionRequest,
        f'inputs: "q" table {{ {TABLE} }}',
    ),
    (
        "answer_table_question",
        [["q", "r"]],
        {"table": [{"a": "1", "b": 2.5}, {"b": "", "a": "x"}], "model": "m", "parameters": {"truncation": True}},
        tables.AnswerTableQuestionRequest,
        f'model: "m" inputs: "q" inputs: "r" table {{ {TABLE} }} parameters {{ truncation: true }}',
    ),
    ("answer_table_question", ["q"], {"table": []}, tables.AnswerTableQuestionRequest, 'inputs: "q" table {}'),
    (
        "transform_text",
        ["a"],
        {"model": "m", "stop": "x", "seed": 1, "parameters": {"num_beams": 2}},
        text2text.TransformTextRequest,
        'model: "m" inputs: "a" stop: "x" seed: 1 parameters { num_beams: 2 }',
    ),
    (
        "summarize_text",
        [["a", "b"]],
        {"stop": ["x"], "seed": 0, "parameters": {"length_penalty": 2}},
        text2text.SummarizeTextRequest,
        'inputs: "a" inputs: "b" stop: "x" seed: 0 parameters { length_penalty: 2.0 }',
    ),
    (
        "translate_text",
        ["a"],
        {"source_language": "en_XX", "target_language": "fr_XX", "stop": "x", "seed": 2, "model": "m"},
        text2text.TranslateTextRequest,
        'model: "m" inputs: "a" stop: "x" seed: 2 source_language: "en_XX" target_language: "fr_XX"',
    ),
    (
        "stream_transform_text",
        ["a"],
        {"stop": "x", "seed": 1},
        text2text.StreamTransformTextRequest,
        'inputs: "a" stop: "x" seed: 1',
    ),
    ("stream_summarize_text", ["a"], {"model": "m"}, text2text.StreamSummarizeTextRequest, 'model: "m" inputs: "a"'),
    (
        "stream_translate_text",
        ["a"],
        {"target_language": "fr_XX"},
        text2text.StreamTranslateTextRequest,
        'inputs: "a" target_language: "fr_XX"',
    ),
]


@pytest.mark.parametrize(
    ("method", "args", "options", "kind", "expected"), SENT, ids=[f"{case[0]}-{i}" for i, case in enumerate(SENT)]
)
async def test_a_method_sends_its_request(
    either: EitherClient,
    script: Script,
    method: str,
    args: list[Any],
    options: dict[str, Any],
    kind: Any,
    expected: str,
) -> None:
    await either.ask(method, *args, **options)
    assert script.requests == [text_format.Parse(expected, kind())]


REFUSED: list[tuple[str, list[Any], dict[str, Any], type[Exception], str]] = [
    (
        "classify_tokens",
        ["a"],
        {"aggregation_strategy": "all"},
        ValueError,
        "is no AggregationStrategy; use one of none",
    ),
    ("classify_zero_shot", ["a"], {}, TypeError, "candidate_labels"),
    (
        "classify_zero_shot",
        ["a"],
        {"candidate_labels": [1]},
        TypeError,
        r"candidate_labels\[0\] must be a str, not int",
    ),
    ("fill_mask", ["a"], {"targets": [None]}, TypeError, r"targets\[0\] must be a str"),
    ("answer_question", [("q", "c")], {}, TypeError, "inputs must not be a tuple"),
    ("answer_question", [["q"]], {}, TypeError, r"inputs\[0\] must be a Question, .*, not str"),
    ("answer_question", [[("q", None)]], {}, TypeError, r"inputs\[0\] must be a Question"),
    (
        "answer_question",
        [[("q", "c"), {"question": "q"}]],
        {},
        TypeError,
        r"inputs\[1\] must be a Question, .*, not dict",
    ),
    ("answer_table_question", ["q"], {"table": "a,b"}, TypeError, "table must be a dict of columns or a list of rows"),
    (
        "answer_table_question",
        ["q"],
        {"table": {"a": "xyz"}},
        TypeError,
        r"table\['a'\] must be a list of cells, not str",
    ),
    (
        "answer_table_question",
        ["q"],
        {"table": {"a": [None]}},
        TypeError,
        r"table\['a'\]\[0\] must be a str or a number",
    ),
    ("answer_table_question", ["q"], {"table": [{"a": "1"}, {"b": "2"}]}, ValueError, r"table\[1\] has the columns b"),
    ("answer_table_question", ["q"], {"table": [["1"]]}, TypeError, r"table\[0\] must be a dict of columns and cells"),
]


@pytest.mark.parametrize(
    ("method", "args", "options", "error", "words"), REFUSED, ids=[f"{case[0]}-{i}" for i, case in enumerate(REFUSED)]
)
async def test_what_no_request_can_hold_is_refused_before_it_is_sent(
    either: EitherClient, script: Script, method: str, args: list[Any], options: dict[str, Any], error: Any, words: str
) -> None:
    with pytest.raises(error, match=words):
        await either.ask(method, *args, **options)
    assert script.requests == []
