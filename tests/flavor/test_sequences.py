"""Generated tokens to text: MLflow's and transformers' rules as oracles, and the promise to streams."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.transformers import _TransformersWrapper
from transformers import GenerationConfig
from transformers.pipelines.text_generation import ReturnType

from savor.flavor.encoding import TextEncoder
from savor.flavor.sequences import INSTRUCTIONAL, FinishReason, Reply, TextRules, end_tokens, overlap, rules
from tests import tiny_pipelines
from tests.flavor.artifacts import artifact

TOKENIZER = tiny_pipelines.tokenizer(bert=False)
ENCODER = TextEncoder(TOKENIZER, None)
END = 0


def _tokens(text: str) -> list[int]:
    return list(TOKENIZER(text)["input_ids"])


def _rules(**values: Any) -> TextRules:
    return TextRules(ENCODER, frozenset({END}), **values)


def _reply(text_rules: TextRules, prompt: str, tokens: list[int], *, done: bool = True) -> Reply:
    return text_rules.reply(text_rules.prompt(prompt, _tokens(prompt)), np.array(tokens, np.int64), done=done)


# What decoding rewrites: spaces before punctuation and contractions, characters of several tokens, special tokens.
_PIECES = [" ", "\n", ".", ",", "?", "'", "n", "'t", " n't", "s", "ve", "re", "a", " the", "A:", "é", "🙂", "<|end|>"]
_TEXTS = st.lists(st.sampled_from(_PIECES), max_size=10).map("".join)
_GENERATED = st.one_of(_TEXTS.map(_tokens), st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=10))
_PROMPTS = st.one_of(st.sampled_from(["", "Q: the A: ", "do n", "a '", "a"]), _TEXTS)


def _check_promise(text_rules: TextRules, prompt: str, tokens: list[int]) -> None:
    """Every text of the growing sequence is a beginning of its final text."""
    texts = []
    for count in range(len(tokens) + 1):
        growing = _reply(text_rules, prompt, tokens[:count], done=False)
        if growing.finish_reason is not None:
            break
        texts.append(growing.text)
    final = _reply(text_rules, prompt, tokens[:count]).text
    for text in texts:
        assert final.startswith(text)


@settings(max_examples=150, deadline=None)
@given(_PROMPTS, _GENERATED, st.booleans(), st.booleans())
def test_a_growing_text_is_a_beginning_of_the_final_one(
    prompt: str, tokens: list[int], full_text: bool, clean_up: bool
) -> None:
    _check_promise(_rules(full_text=full_text, clean_up_spaces=clean_up), prompt, tokens)


REWRITTEN = [
    pytest.param("the dog ", ["'", "s"], id="a contraction behind a prompt that ends with a space"),
    pytest.param("do n", ["'", "t"], id="a contraction that begins in the prompt"),
    pytest.param("a", ["x", " ", "'", " ", ","], id="a quotation mark between spaces, then a comma"),
    pytest.param("a", ["x", " ", "n", "'", "t", " ."], id="a contraction and a full stop"),
    pytest.param("a", ["x", "  ", "'", "s"], id="a contraction behind two spaces"),
]


@pytest.mark.parametrize(("prompt", "pieces"), REWRITTEN)
def test_what_clean_up_rewrites_is_not_shown_too_early(prompt: str, pieces: list[str]) -> None:
    _check_promise(_rules(full_text=False), prompt, [token for piece in pieces for token in _tokens(piece)])


@settings(max_examples=150, deadline=None)
@given(_PROMPTS, _TEXTS, st.data())
def test_a_growing_text_never_shows_the_beginning_of_a_stop_text(prompt: str, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, max(len(text) - 1, 0)))
    stop = text[start : data.draw(st.integers(start + 1, len(text) + 1))]
    _check_promise(_rules(full_text=False, clean_up_spaces=False, stop=(stop or "x", "never")), prompt, _tokens(text))


HIDDEN_STOPS = [
    pytest.param("bé", "abéc", id="behind half a character"),
    pytest.param("b.", "ab .", id="behind a space that clean-up removes"),
    pytest.param("b\n\nc", "ab\n\nc", id="behind white space"),
]


@pytest.mark.parametrize(("stop", "text"), HIDDEN_STOPS)
def test_the_beginning_of_a_stop_text_is_held_back(stop: str, text: str) -> None:
    tokens = [token for character in text for token in _tokens(character)]
    _check_promise(_rules(full_text=False, stop=(stop,)), "", tokens)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["Q", "a", "Q "]), st.sampled_from(["", "\n", "\n\n", "\n\n A", "\n\nA:", "\n\nA: "]), _GENERATED
)
@example("Q", "\n\n", _tokens("A") + _tokens(":") + _tokens(" x"))
@example("Q", "\n\n", _tokens("A") + _tokens("b"))
def test_a_growing_instructional_text_too(prompt: str, head: str, tokens: list[int]) -> None:
    _check_promise(_rules(strip_prompt=True, clean_up_spaces=False), prompt, _tokens(head) + tokens)


@settings(max_examples=100, deadline=None)
@given(_PROMPTS, _GENERATED, st.booleans())
def test_a_growing_collapsed_text_too(prompt: str, tokens: list[int], full_text: bool) -> None:
    _check_promise(_rules(collapse=True, full_text=full_text, clean_up_spaces=False), prompt, tokens)


@settings(max_examples=150, deadline=None)
@given(_PROMPTS, _GENERATED, st.booleans(), st.booleans(), st.booleans())
def test_a_text_is_what_transformers_makes_of_it(
    prompt: str, tokens: list[int], full_text: bool, clean_up: bool, skip: bool
) -> None:
    pipeline = artifact("generator").pipeline
    ids = torch.tensor([_tokens(prompt)], dtype=torch.int64)
    outputs = {
        "generated_sequence": torch.cat([ids[0], torch.tensor(tokens, dtype=torch.int64)])[None, None],
        "input_ids": ids,
        "prompt_text": prompt,
    }
    expected = pipeline.postprocess(
        outputs,
        return_type=ReturnType.FULL_TEXT if full_text else ReturnType.NEW_TEXT,
        clean_up_tokenization_spaces=clean_up,
        skip_special_tokens=skip,
    )
    text_rules = _rules(full_text=full_text, clean_up_spaces=clean_up, skip_special_tokens=skip)
    assert [_reply(text_rules, prompt, tokens).text] == [record["generated_text"] for record in expected]


def _as_mlflow(prompt: str, text: str, instance_type: str, **options: bool) -> str:
    wrapper = _TransformersWrapper(artifact("generator").pipeline, {"instance_type": instance_type})
    output = [[{"generated_text": text}]]
    return wrapper._strip_input_from_response_in_instruction_pipelines(
        [prompt], output, "generated_text", {"instance_type": instance_type}, **options
    )[0]


_WHITE = st.text(st.sampled_from(" \n\t  A:b"), max_size=8)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["Q", "Q: x\n", "", "A:"]),
    st.one_of(_WHITE, _WHITE.map(lambda text: "\n\n" + text)),
    st.sampled_from([INSTRUCTIONAL, "TextGenerationPipeline"]),
    st.booleans(),
    st.booleans(),
)
@example("Q", "\n\n A: \n A: b", INSTRUCTIONAL, False, False)
@example("Q", "\n\nA:", INSTRUCTIONAL, False, True)
@example("Q", "\nA: b", INSTRUCTIONAL, False, False)
@example("Q", "\n\nA: b", "TextGenerationPipeline", False, False)
def test_instructional_rules_are_mlflows(
    prompt: str, generated: str, instance_type: str, include_prompt: bool, collapse: bool
) -> None:
    options: dict[str, Any] = {
        "include_prompt": include_prompt,
        "collapse_whitespace": collapse,
        "clean_up_tokenization_spaces": False,
    }
    text_rules = rules(options, ENCODER, instance_type)
    expected = _as_mlflow(
        prompt, prompt + generated, instance_type, include_prompt=include_prompt, collapse_whitespace=collapse
    )
    assert _reply(text_rules, prompt, _tokens(generated)).text == expected


STOPS = [
    pytest.param(("END",), "a END b", "a ", id="in the middle"),
    pytest.param(("END",), "ENDb", "", id="at the beginning"),
    pytest.param(("END", " E"), "a END", "a", id="the earliest of several"),
    pytest.param(("never",), "a END b", "a END b", id="none"),
    pytest.param(("日",), "a日b", "a", id="a character of several tokens"),
    pytest.param(("\n\n",), "a\n\nb", "a", id="white space"),
]


@pytest.mark.parametrize(("stop", "text", "expected"), STOPS)
def test_a_stop_text_ends_a_text_and_is_not_part_of_it(stop: tuple[str, ...], text: str, expected: str) -> None:
    reply = _reply(_rules(full_text=False, stop=stop), "P", _tokens(text))
    assert reply.text == expected
    assert (reply.finish_reason is FinishReason.STOP_SEQUENCE) == (expected != text)


def test_a_stop_text_in_the_prompt_does_not_count() -> None:
    reply = _reply(_rules(stop=("END",)), "a END ", _tokens("b"))
    assert reply.text == "a END b"
    assert reply.finish_reason is FinishReason.LENGTH


def test_a_stop_text_ends_a_growing_sequence() -> None:
    reply = _reply(_rules(full_text=False, stop=("END",)), "P", _tokens("a END"), done=False)
    assert reply == Reply("a ", FinishReason.STOP_SEQUENCE, len(_tokens("a END")))


@pytest.mark.parametrize(("stop", "text", "expected"), STOPS)
def test_execution_sees_a_stop_text_exactly_when_the_text_does(stop: tuple[str, ...], text: str, expected: str) -> None:
    text_rules, tokens = _rules(full_text=False, stop=stop), np.array(_tokens(text), np.int64)
    prompt = text_rules.prompt("P", _tokens("P"))
    stops = text_rules.stops(prompt)
    assert stops is not None
    for count in range(len(tokens) + 1):
        growing = text_rules.reply(prompt, tokens[:count], done=False)
        assert stops(tokens[:count]) == (growing.finish_reason is FinishReason.STOP_SEQUENCE)
    assert stops(tokens) == (expected != text)


def test_without_stop_texts_there_is_nothing_to_look_for() -> None:
    assert _rules().stops(_rules().prompt("P", _tokens("P"))) is None


class _CountingTokenizer:
    """The tokenizer, which counts how often it decodes: at every step of every sequence that is what it costs."""

    def __init__(self) -> None:
        self.decoded = 0

    def decode(self, *arguments: Any, **options: Any) -> str:
        self.decoded += 1
        return TOKENIZER.decode(*arguments, **options)


def test_many_stop_texts_are_looked_for_in_one_decoding() -> None:
    counting = _CountingTokenizer()
    text_rules = TextRules(TextEncoder(counting, None), stop=tuple(f"stop {number}" for number in range(16)))
    prompt = text_rules.prompt("P", _tokens("P"))
    stops = text_rules.stops(prompt)
    assert stops is not None
    counting.decoded = 0
    assert not stops(np.array(_tokens("a text"), np.int64))
    assert counting.decoded == 1


REASONS = [
    pytest.param([5, END], FinishReason.END_TOKEN, id="an end token"),
    pytest.param([5, 6], FinishReason.LENGTH, id="none"),
    pytest.param([END, 6], FinishReason.LENGTH, id="an end token that was not the last"),
    pytest.param([], FinishReason.LENGTH, id="nothing"),
]


@pytest.mark.parametrize(("tokens", "reason"), REASONS)
def test_why_a_sequence_ended(tokens: list[int], reason: FinishReason) -> None:
    reply = _reply(_rules(), "P", tokens)
    assert (reply.finish_reason, reply.token_count) == (reason, len(tokens))


def test_a_growing_sequence_has_no_reason() -> None:
    assert _reply(_rules(), "P", [5, END], done=False).finish_reason is None


HELD = [
    pytest.param(_tokens("a é")[:-1], "a ", id="half a character"),
    pytest.param(_tokens("a "), "a", id="a space"),
    pytest.param(_tokens("a n't")[:-1], "a", id="the beginning of a contraction"),
    pytest.param(_tokens("a <|end|>"), "a", id="a space before a special token"),
]


@pytest.mark.parametrize(("tokens", "expected"), HELD)
def test_what_may_still_change_is_held_back(tokens: list[int], expected: str) -> None:
    assert _reply(_rules(full_text=False), "P", tokens, done=False).text == expected


def test_a_finished_text_holds_nothing_back() -> None:
    assert _reply(_rules(full_text=False), "P", _tokens("a ")).text == "a "


def test_a_prompt_knows_its_decoded_length() -> None:
    prompt = _rules().prompt("a .", _tokens("a ."))
    assert (prompt.text, prompt.tokens, prompt.decoded_chars) == ("a .", tuple(_tokens("a .")), 2)


def test_rules_take_what_is_about_text_and_leave_the_rest() -> None:
    options = {
        "include_prompt": False,
        "collapse_whitespace": True,
        "return_full_text": False,
        "skip_special_tokens": False,
        "clean_up_tokenization_spaces": False,
        "max_new_tokens": 3,
    }
    taken = rules(options, ENCODER, INSTRUCTIONAL)
    assert options == {"max_new_tokens": 3}
    assert taken == TextRules(ENCODER, frozenset(), (), False, True, True, False, False)


@pytest.mark.parametrize(
    "options", [{}, dict.fromkeys(("return_full_text", "skip_special_tokens"))], ids=["none", "null"]
)
def test_rules_by_default(options: dict[str, Any]) -> None:
    assert rules(options, ENCODER, "") == TextRules(ENCODER)


@pytest.mark.parametrize(
    ("options", "of_the_model", "expected"),
    [
        pytest.param({}, 7, {7}, id="one of the model"),
        pytest.param({}, [7, 8], {7, 8}, id="several of the model"),
        pytest.param({}, None, set(), id="none"),
        pytest.param({"eos_token_id": 9}, 7, {9}, id="one of the call"),
        pytest.param({"eos_token_id": [9, 10]}, 7, {9, 10}, id="several of the call"),
    ],
)
def test_end_tokens(options: dict[str, Any], of_the_model: Any, expected: set[int]) -> None:
    assert end_tokens(options, GenerationConfig(eos_token_id=of_the_model)) == expected


@given(st.text(st.sampled_from("ab"), max_size=6), st.text(st.sampled_from("ab"), min_size=1, max_size=4))
def test_overlap_is_the_longest_beginning_of_a_stop_text(text: str, stop: str) -> None:
    sizes = [size for size in range(len(stop)) if text.endswith(stop[:size])]
    assert overlap(text, stop) == max(sizes)
