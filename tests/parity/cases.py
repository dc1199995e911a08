"""The inputs and params that are picked by hand: for each door what it should answer, and what it should refuse."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.parity.asked import Payload, TableQuestions, ZeroShot
from tests.parity.media import noise, picture, recording
from tests.parity.models import TABLE, Variant

_TEXTS: Sequence[Any] = (
    ["a"],
    ["  blanks around  "],
    ["a\n\nb   c\t"],
    ["{braces} {prompt} {{x}}"],
    ["'quoted'", "it's"],
    ["123", "None"],
    ['["a", "b"]', "{'text': 'a', 'text_pair': 'b'}"],
    ["日本語 🙂", "ünïcödé e\u0301"],
    ["a", "Licensed under the Apache License", "a"],
    ["the work " * 9],
    ["the work " * 80],
)
_MAYBE_EMPTY: Sequence[Any] = (*_TEXTS, ["a", "", " "])
_CONTEXT = "the Licensor grants You a perpetual license, said O'Brien {prompt}"

INPUTS: Mapping[str, Sequence[Any]] = {
    "text-classification": _MAYBE_EMPTY,
    "text-pairs": ([("a", "b")], [("it's", ""), ("123", "None")], [("日本語", "{prompt}"), ("a", "b"), ("a", "b")]),
    "token-classification": _MAYBE_EMPTY,
    "fill-mask": (
        ["the [MASK] of"],
        ["[MASK]"],
        ["[MASK] and [MASK]"],
        ["[MASK] a", "b [MASK]"],
        ["[MASK] [MASK]", "[MASK] 'x'"],
        ["[MASK] [MASK]", "{prompt} [MASK] [MASK]"],
        ["日本語 [MASK]", "123 [MASK]", "  [MASK]  "],
        ["no mask"],
        [""],
    ),
    "feature-extraction": _MAYBE_EMPTY,
    "zero-shot-classification": (
        ZeroShot(["a text"], ["law", "food"]),
        ZeroShot(["a text"], ["law"]),
        ZeroShot(["one", "two", "one"], ["law", "food", "it's"]),
        ZeroShot(["{x} 'y'"], ["{braces}", "日本語", "1"], "{} {{x}}"),
        ZeroShot(["123", "None"], ["a b", "c"], "{}"),
        ZeroShot(["a text"], ["law", "food"], "no place for it"),
        ZeroShot(["a text"], ["law", "food"], "{prompt}"),
        ZeroShot(["a text"], []),
        ZeroShot([""], ["law", "food"]),
    ),
    "zero-shot-two-columns": (
        ZeroShot(["a text"], ["law", "food"], None),
        ZeroShot(["one", "two"], ["law"], None),
    ),
    "question-answering": (
        [("who?", _CONTEXT)],
        [("", _CONTEXT)],
        [("who?", "x")],
        [("who?", "  blanks   around  ")],
        [("日本語", "ünïcödé 日本語 🙂"), ("123", "None is 1e5")],
        [("what?", _CONTEXT), ("who?", "the work"), ("what?", _CONTEXT)],
        [("what?", "the Licensor grants You a license. " * 12)],
        [("who?", "")],
        [("who?", "a"), ("who?", " ")],
    ),
    "table-question-answering": (
        TableQuestions(["how many?"], TABLE),
        TableQuestions(["how many?", "where?", "it's"], TABLE),
        TableQuestions(["how many?"], {"a": ["1"]}),
        TableQuestions(["how many?"], {"it's": ['a "b"', "{x}"], "日本": ["", "1.5"]}),
        TableQuestions(["how many?"], {"a": []}),
        TableQuestions(["how many?"], {}),
        TableQuestions(["how many?"], {"a": ["1", "2"], "b": ["3"]}),
        TableQuestions([""], TABLE),
    ),
    "text-generation": _TEXTS[:-1],
    "text2text-generation": _MAYBE_EMPTY[:-2] + _MAYBE_EMPTY[-1:],
    "summarization": _TEXTS[:-1],
    "translation": _TEXTS[:-1],
    "speech-recognition": (
        [recording()],
        [recording(4), recording(5, 2_000), recording(4)],
        [b"no recording"],
        [b""],
    ),
    "whisper": ([recording()], [recording(4, 9_000), recording(5)], [b"no recording"]),
    "speech-samples": ([noise()], [noise(4, 9_000)]),
    "audio-classification": (
        [recording()],
        [recording(4), recording(5, 2_000)],
        [b"no recording"],
    ),
    "audio-samples": ([noise()], [noise(4, 9_000)]),
    "image-classification": (
        [picture()],
        [picture(4), picture(5, (40, 20)), picture(4)],
        [b"no picture"],
    ),
    "chat": (
        Payload([[("user", "hi")]], {}),
        Payload([[("system", "be kind"), ("user", "a {x} 'y'"), ("assistant", "b"), ("user", "")]], {"max_tokens": 3}),
        Payload([[("robot", "日本語")], [("user", "hi")]], {"temperature": 1}),
    ),
    "completions": (
        Payload(["The work"], {}),
        Payload(["  {prompt}  'x'"], {"max_tokens": 3}),
        Payload(["日本語", "The work", "123"], {"max_tokens": 7, "temperature": 1}),
    ),
    "embeddings": (
        Payload(["a text"], {}),
        Payload(["one", "123", "", "one"], {}),
        Payload(["日本語 {prompt} 'x'"], {}),
    ),
}
"""What each door is asked. A long text is longer than the model reads."""

_QUESTIONS = INPUTS["question-answering"]
INPUTS = {
    **INPUTS,
    "question-lists": _QUESTIONS,
    # Where questions come in lists MLflow takes empty ones, and empty contexts, and finds what it finds.
    "question-arrays": [asked for asked in _QUESTIONS if all(all(pair) for pair in asked)],
}

_ODD: Sequence[dict[str, Any]] = ({"no_such_thing": [1, {"a": None}]},)
_WRITING: Sequence[dict[str, Any]] = (
    {"max_new_tokens": 2},
    {"max_new_tokens": 7, "num_beams": 2},
    {"repetition_penalty": 2},
    {"max_new_tokens": 3, "no_such_thing": 1, "do_sample": False},
    {"max_new_tokens": 2.0},
    {"max_new_tokens": "2", "num_beams": True, "repetition_penalty": [1.0]},
)

PARAMS: Mapping[str, Sequence[dict[str, Any]]] = {
    "text-classification": (
        {"top_k": 1},
        {"top_k": 3, "function_to_apply": "none"},
        {"top_k": None},
        {"function_to_apply": "sigmoid"},
        {"top_k": 2.0},
        {"top_k": "2", "function_to_apply": 3},
        {"top_k": True},
        {"function_to_apply": "tanh"},
    ),
    "token-classification": (
        {"aggregation_strategy": "none", "ignore_labels": []},
        {"aggregation_strategy": "max"},
        {"aggregation_strategy": "average", "ignore_labels": ["O", "B-PER"]},
        {"aggregation_strategy": "first", "ignore_labels": []},
        {"aggregation_strategy": None},
        {"aggregation_strategy": "whole"},
        {"ignore_labels": "O"},
        {"aggregation_strategy": 1, "ignore_labels": [1]},
    ),
    "fill-mask": (
        {"top_k": 1},
        {"targets": ["work", "license"], "top_k": 2},
        {"targets": ["the"]},
        {"top_k": "1"},
        {"targets": "the"},
        {"top_k": 1.0, "targets": [1]},
    ),
    "feature-extraction": ({"truncation": False}, {"truncation": None}, {"truncation": 1}, {"truncation": "yes"}),
    "zero-shot-classification": ({"multi_label": True}, {"multi_label": None}, {"multi_label": 1}),
    "question-answering": (
        {"max_answer_len": 2},
        {"top_k": 3},
        {"handle_impossible_answer": True},
        {"max_seq_len": 24, "doc_stride": 4},
        {"max_answer_len": 2.0},
        {"top_k": None, "handle_impossible_answer": "no"},
    ),
    "table-question-answering": ({"truncation": True}, {"truncation": None}, {"truncation": "yes"}),
    "text-generation": (
        *_WRITING,
        {"return_full_text": False},
        {"collapse_whitespace": True},
        {"include_prompt": False, "return_full_text": True},
        {"collapse_whitespace": None, "include_prompt": None},
    ),
    "text2text-generation": _WRITING,
    "summarization": _WRITING,
    "translation": _WRITING,
    "speech-recognition": ({"return_timestamps": "char"}, {"return_timestamps": None}, {"return_timestamps": 3}),
    "whisper": (
        {"generate_kwargs": {"language": "fr", "task": "translate", "max_new_tokens": 3, "num_beams": 1}},
        {"generate_kwargs": {"max_new_tokens": 3, "num_beams": 2}},
        {"return_timestamps": True},
    ),
    "audio-classification": ({"top_k": 1}, {"top_k": 6}, {"top_k": None}, {"top_k": 2.0}),
    "image-classification": ({"top_k": 1}, {"top_k": 6}, {"top_k": "2"}),
    "text-pairs": ({"top_k": 1},),
}
"""What requests set. A model whose signature does not take it drops it, by either door."""


def _repeats(variant: Variant) -> bool:
    """Whether a model differs from its door's first one by its saving alone, and takes no params: a part is enough."""
    return variant.way in ("config", "config-template", "inferred", "inferred-template", "default-template")


def params_of(variant: Variant) -> Sequence[dict[str, Any]]:
    """The params of requests for a model, from none at all to those that no model takes."""
    return ({}, *_ODD) if _repeats(variant) else ({}, *PARAMS.get(variant.door, ()), *_ODD)


def inputs_of(variant: Variant, turn: int) -> Sequence[Any]:
    """All inputs of a model at the first turn, and then one at a time: they go round while params change."""
    every = INPUTS[variant.door]
    return every[:: 2 if _repeats(variant) else 1] if turn == 0 else [every[turn % len(every)]]
