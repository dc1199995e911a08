"""question-answering: windows, answers that are transformers' own, and what is refused before it reaches the model."""

import copy
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from savor.accel.eager import EagerBackend
from savor.flavor import windows
from savor.flavor.artifact import Artifact
from savor.flavor.encoding import TextEncoder
from savor.flavor.errors import InvalidInput, UnsupportedParameter, WrongFamily
from savor.flavor.families.question_answering import (
    FAMILY,
    AnswerQuestionRequest,
    AnswerQuestionResponse,
    QuestionAnsweringInput,
    prepare,
)
from savor.flavor.item import Prepared, Row
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from tests.accel.batches import alone, together
from tests.flavor.artifacts import artifact

LONG = " ".join(f"Word {n} of a text that is read in windows; other words, {n * 7} of them." for n in range(12))
PAIRS = [
    ("Who?", "The licensor grants a license."),
    ("What does the licensor grant?", "A license, and with it every right.  "),
    ("?", "b"),
    ("Wo ist 🙂?", "Ünïcödé 日本語 🙂 and more 🙂"),
    ("Which words?", LONG),
]


def _request(*pairs: tuple[str, str], best: int | None = None, **parameters: Any) -> AnswerQuestionRequest:
    return AnswerQuestionRequest(tuple(QuestionAnsweringInput(*pair) for pair in pairs), parameters, best)


def _open() -> Artifact:
    """A model that takes every parameter."""
    return artifact("reader", unknown_params=Unknown.ALLOW)


def _answer(model: Artifact, prepared: Prepared, run: Any = together) -> AnswerQuestionResponse:
    rows: Sequence[Row] = run(EagerBackend(model), prepared.items)
    response = prepared.decode(rows)
    assert isinstance(response, AnswerQuestionResponse)
    return response


def _records(response: AnswerQuestionResponse) -> list[list[dict[str, Any]]]:
    return [
        [
            {"answer": a.text, "score": pytest.approx(a.score, rel=1e-3, abs=1e-5), "start": a.start, "end": a.end}
            for a in result.answers
        ]
        for result in response.results
    ]


def _piped(model: Artifact, pair: tuple[str, str], **options: Any) -> list[dict[str, Any]]:
    """What the pipeline answers, as a list always."""
    answered = model.pipeline(question=pair[0], context=pair[1], **options)
    return answered if isinstance(answered, list) else [answered]


OPTIONS = [
    pytest.param({}, id="defaults"),
    pytest.param({"top_k": 4}, id="several answers"),
    pytest.param({"top_k": 4, "handle_impossible_answer": True}, id="no answer is one"),
    pytest.param({"top_k": 3, "align_to_words": False}, id="parts of words"),
    pytest.param({"max_answer_len": 1, "top_k": 2}, id="one token"),
    pytest.param({"max_answer_len": 2**63 - 1}, id="answers of any length"),
    pytest.param({"max_seq_len": 30, "doc_stride": 0, "top_k": 2}, id="windows side by side"),
    pytest.param({"max_seq_len": 40, "doc_stride": 9, "top_k": 2}, id="windows that overlap"),
    pytest.param({"padding": "max_length"}, id="padded"),
    pytest.param({"topk": 2, "max_question_len": 3, "batch_size": 4}, id="old names, and what does nothing"),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_answers_are_the_pipelines(options: dict[str, Any]) -> None:
    model = _open()
    # The question is short enough for the smallest windows.
    pairs = [*PAIRS[:1], *PAIRS[2:]]
    response = _answer(model, prepare(_request(*pairs, **options), model))
    assert [_piped(model, pair, **options) for pair in pairs] == _records(response)


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=40), st.integers(1, 5))
def test_any_question_about_any_text(question: str, context: str, top_k: int) -> None:
    model = _open()
    response = _answer(model, prepare(_request((question, context), top_k=top_k), model))
    expected = _piped(model, (question, context), top_k=top_k)
    # Answers that can't be, all of score 0, may come in another order.
    assert [a for a in expected if a["score"] > 1e-4] == [
        a for a in _records(response)[0] if a["score"] != pytest.approx(0, abs=1e-4)
    ]


def test_a_question_in_a_batch_is_answered_as_alone() -> None:
    model = _open()
    prepared = prepare(_request(*PAIRS, top_k=3), model)
    assert len({item.length for item in prepared.items}) > 2
    assert len({(item.run, item.alike) for item in prepared.items}) == 1
    batched, single = (_answer(model, prepared, run) for run in (together, alone))
    assert _records(single) == [
        [{"answer": a.text, "score": a.score, "start": a.start, "end": a.end} for a in result.answers]
        for result in batched.results
    ]


def test_answers_are_grouped_by_question() -> None:
    model = _open()
    response = _answer(model, prepare(_request(*PAIRS, top_k=2), model))
    assert [len(result.answers) for result in response.results] == [2] * len(PAIRS)
    for (_, context), result in zip(PAIRS, response.results, strict=True):
        assert [context[a.start : a.end] for a in result.answers] == [a.text for a in result.answers]


def test_windows_are_items_and_hold_the_models_inputs_alone() -> None:
    model = _open()
    features = list(model.pipeline.preprocess(dict(zip(("question", "context"), PAIRS[4], strict=True))))
    items = prepare(_request(PAIRS[4]), model).items
    assert len(items) == len(features) > 3
    for item, feature in zip(items, features, strict=True):
        assert set(item.arrays) == {"input_ids", "token_type_ids", "attention_mask"}
        assert item.arrays["input_ids"].tolist() == feature["input_ids"][0].tolist()
        assert item.length == len(item.arrays["input_ids"]) <= 64


@pytest.mark.parametrize("words", range(40, 75))
def test_the_count_of_windows_is_what_the_tokenizer_cuts(words: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound on windows counts them before they are cut."""
    counted: list[int] = []
    monkeypatch.setattr(windows, "_check_count", counted.append)
    items = prepare(_request(("x?", " c" * words), doc_stride=11, max_seq_len=32), _open()).items
    assert counted == [len(items)]


def test_every_pair_of_tokens_may_be_asked_for() -> None:
    """The pipeline fails in numpy's argpartition where exactly as many answers are asked for as there are pairs."""
    model = _open()
    pair = ("?", "b")
    [item] = prepare(_request(pair), model).items
    options = {"top_k": item.length**2, "align_to_words": False}
    with pytest.raises(ValueError, match="out of bounds"):
        _piped(model, pair, **options)
    fewer = _piped(model, pair, **{**options, "top_k": item.length**2 - 1})
    assert _records(_answer(model, prepare(_request(pair, **options), model)))[0][0] == fewer[0]


def test_a_long_question_lets_windows_share_less() -> None:
    """The tokenizer panics in the pipeline, whose windows share 32 tokens though they have room for fewer."""
    model, question = _open(), "who " * 18
    with pytest.raises(BaseException, match=r"`stride` must be strictly less") as caught:
        _piped(model, (question, LONG))
    assert not isinstance(caught.value, Exception)
    prepared = prepare(_request((question, LONG)), model)
    assert len(prepared.items) > 3
    assert _answer(model, prepared).results[0].answers[0].text in LONG


def test_a_tokenizer_that_pads_in_front_reads_the_text_first() -> None:
    plain = _open()
    own = copy.deepcopy(plain.pipeline.tokenizer)
    own.padding_side = "left"
    pipeline = transformers.pipeline("question-answering", model=plain.pipeline.model, tokenizer=own)
    model = replace(plain, pipeline=pipeline, encoder=TextEncoder(own, 64))
    response = _answer(model, prepare(_request(*PAIRS, top_k=2), model))
    assert [_piped(model, pair, top_k=2) for pair in PAIRS] == _records(response)


def test_a_slow_tokenizer_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "vocab.txt")
        file.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na")
        slow = transformers.BertTokenizer(str(file))
    plain = artifact("reader")
    pipeline = transformers.pipeline("question-answering", model=plain.pipeline.model, tokenizer=slow)
    with pytest.raises(WrongFamily, match="need a fast tokenizer"):
        FAMILY.probe(replace(plain, pipeline=pipeline))


TOP_K = [
    pytest.param(None, {}, {}, 1, id="transformers' default"),
    pytest.param(3, {}, {}, 3, id="the request's"),
    pytest.param(None, {"top_k": 2}, {}, 2, id="the model's"),
    pytest.param(1, {"top_k": 2}, {}, 1, id="the request's over the model's"),
    pytest.param(None, {"top_k": 2}, {"top_k": 3}, 3, id="the parameter's over the model's"),
    pytest.param(1, {}, {"top_k": 3}, 1, id="the request's over the parameter's"),
    pytest.param(None, {"top_k": 2}, {"top_k": None}, 1, id="null, which means the default"),
    pytest.param(None, {"top_k": 500}, {}, 12, id="the model's may be any number"),
]


@pytest.mark.parametrize(("top_k", "config", "parameters", "count"), TOP_K)
def test_how_many_answers(top_k: int | None, config: dict[str, Any], parameters: dict[str, Any], count: int) -> None:
    model = replace(_open(), config=config)
    response = _answer(model, prepare(_request(PAIRS[4], best=top_k, **parameters), model))
    answers = response.results[0].answers
    assert len(answers) == count if count < 12 else len(answers) >= 12


BAD = [
    pytest.param(_request(), {}, "inputs", id="no inputs"),
    pytest.param(_request(*PAIRS[:3]), {"max_inputs": 2}, "inputs", id="too many inputs"),
    pytest.param(_request(PAIRS[0], ("", "b")), {}, "inputs[1].question", id="no question"),
    pytest.param(_request(PAIRS[0], ("b", "")), {}, "inputs[1].context", id="no context"),
    pytest.param(_request(("bbb", "b")), {"max_text_chars": 2}, "inputs[0].question", id="a question too long"),
    pytest.param(_request(("b", "bbb")), {"max_text_chars": 2}, "inputs[0].context", id="a context too long"),
    pytest.param(_request(PAIRS[0], ("who " * 70, "b")), {}, "inputs[1].question", id="a question of a whole window"),
    pytest.param(_request(PAIRS[0], best=0), {}, "top_k", id="no answers"),
    pytest.param(_request(PAIRS[0], best=101), {}, "top_k", id="too many answers"),
    pytest.param(_request(PAIRS[0], best=-1), {}, "top_k", id="fewer than no answers"),
    pytest.param(_request(PAIRS[0], topk=101), {}, "parameters.top_k", id="too many answers by parameter"),
    pytest.param(_request(PAIRS[4], doc_stride=60), {}, "parameters.doc_stride", id="a stride of a whole window"),
    pytest.param(_request(PAIRS[4], doc_stride=70), {}, "parameters.doc_stride", id="a stride of more than a window"),
    pytest.param(_request(PAIRS[4], max_seq_len=65), {}, "parameters.max_seq_len", id="more than the model reads"),
    pytest.param(_request(PAIRS[4], max_seq_len=3), {}, "inputs[0].question", id="windows for no text"),
    *(
        pytest.param(_request(PAIRS[0], **{name: value}), {}, f"parameters.{name}", id=f"{name}: {value!r}")
        for name, value in [
            ("top_k", 0),
            ("top_k", "3"),
            ("topk", 1.0),
            ("max_answer_len", 0),
            ("max_seq_len", 0),
            ("max_question_len", -1),
            ("doc_stride", -1),
            ("doc_stride", True),
            ("handle_impossible_answer", 1),
            ("align_to_words", "yes"),
            ("padding", "sometimes"),
            ("padding", ["longest"]),
        ]
    ),
]


@pytest.mark.parametrize(("request_", "limits", "field"), BAD)
def test_what_can_not_be_used_is_named(request_: AnswerQuestionRequest, limits: dict[str, Any], field: str) -> None:
    model = artifact("reader", limits=Limits(**limits), unknown_params=Unknown.ALLOW)
    with pytest.raises(InvalidInput) as caught:
        prepare(request_, model)
    assert [violation.field for violation in caught.value.violations] == [field]


def test_too_many_windows_are_refused_before_they_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    model = _open()
    monkeypatch.setattr(model.pipeline, "preprocess", None)
    with pytest.raises(InvalidInput, match=r"inputs: come to .* windows; a call may have 2,048"):
        prepare(_request(("?", "word " * 2000), ("?", "word " * 2000), doc_stride=57), model)


def test_a_parameter_that_the_pipeline_does_not_take() -> None:
    with pytest.raises(UnsupportedParameter, match=r"parameters\.temperature"):
        prepare(_request(PAIRS[0], temperature=1.0), _open())


def test_a_saved_option_that_the_pipeline_does_not_take_is_ignored_as_there() -> None:
    model = replace(artifact("reader"), config={"temperature": 1.0})
    assert _answer(model, prepare(_request(PAIRS[0]), model)) == _answer(model, prepare(_request(PAIRS[0]), _open()))


def test_dropped_parameters_are_warned_of() -> None:
    prepared = prepare(_request(PAIRS[0], max_answer_len=3), artifact("reader"))
    assert prepared.warnings[0].startswith("parameters.max_answer_len")


def test_the_probe_is_a_call() -> None:
    model = artifact("reader")
    assert _answer(model, FAMILY.probe(model)).results[0].answers
