"""text-generation: what is prepared, whole answers, and streams that add up to them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.families.text_generation import (
    FAMILY,
    GenerateTextRequest,
    prepare,
)
from savor.flavor.item import Item, Row
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from savor.flavor.replies import StreamGenerateTextResponse, TextGenerationDelta, generated
from savor.flavor.sequences import FinishReason
from tests import tiny_pipelines
from tests.flavor.artifacts import artifact

OPEN = {"unknown_params": Unknown.ALLOW}
TOKENIZER = tiny_pipelines.tokenizer(bert=False)


def _request(
    *inputs: str, stop: tuple[str, ...] = (), seed: int | None = None, **parameters: Any
) -> GenerateTextRequest:
    return GenerateTextRequest(inputs, parameters, stop, seed)


def _item(request: GenerateTextRequest, recipe: str = "generator", **options: Any) -> Item:
    return prepare(request, artifact(recipe, **options)).items[0]


def _tokens(text: str) -> list[int]:
    return list(TOKENIZER(text)["input_ids"])


def _row(*sequences: list[int], done: bool = True) -> Row:
    """Sequences padded to the longest with the end token, as a batch holds them."""
    longest = max(map(len, sequences))
    return {
        "tokens": np.array([tokens + [0] * (longest - len(tokens)) for tokens in sequences], np.int64),
        "lengths": np.array([len(tokens) for tokens in sequences]),
        "done": np.array([done] * len(sequences)),
    }


TEMPLATES = [
    pytest.param("generator", "a {b}", "a {b}", id="none"),
    pytest.param("generator-with-template", "a {b}", "Q: a {b} A:", id="a template"),
]


@pytest.mark.parametrize(("recipe", "prompt", "text"), TEMPLATES)
def test_a_prompt_is_put_into_the_template(recipe: str, prompt: str, text: str) -> None:
    item = _item(_request(prompt), recipe)
    assert item.arrays["input_ids"].tolist() == _tokens(text)
    assert item.length == len(_tokens(text))


def test_an_empty_prompt_starts_with_the_models_start_token() -> None:
    assert _item(_request("")).arrays["input_ids"].tolist() == [0]
    assert _item(_request("")).arrays["attention_mask"].tolist() == [1]


def test_what_a_prompt_is_told_to_be_cut_at() -> None:
    assert _item(_request("word " * 50, truncation=True, max_length=7), **OPEN).length == 7


def test_a_prefix_is_read_before_the_prompt() -> None:
    """A keyword of transformers' pipeline, which counts its tokens for itself."""
    item = _item(_request("x", prefix="before "), **OPEN)
    assert item.arrays["input_ids"].tolist() == _tokens("before x")


def test_text_options_do_not_reach_generation() -> None:
    request = _request(
        "a",
        include_prompt=False,
        collapse_whitespace=True,
        return_full_text=False,
        clean_up_tokenization_spaces=False,
        skip_special_tokens=True,
        batch_size=4,
        num_workers=1,
        max_new_tokens=3,
    )
    assert _item(request, "generator-bare", **OPEN).run.options == {"max_new_tokens": 3, "do_sample": False}


def test_options_of_all_sources() -> None:
    assert _item(_request("a"), "generator-bare").run.options == {"max_new_tokens": 8, "do_sample": False}
    options = _item(_request("a", max_new_tokens=3, temperature=2)).run.options
    assert options == {
        "max_new_tokens": 3,
        "do_sample": False,
        "num_beams": 1,
        "num_return_sequences": 1,
        "temperature": 2.0,
    }


def test_what_is_generated_fits_into_the_models_positions() -> None:
    tokens = len(_tokens("word " * 30))
    assert _item(_request("word " * 30, max_new_tokens=96)).run.options["max_new_tokens"] == 96 - tokens


def test_the_models_own_default_is_cut_to_what_the_operator_allows() -> None:
    item = _item(_request("a"), "generator-bare", limits=Limits(max_new_tokens=5))
    assert item.run.options["max_new_tokens"] == 5


def test_an_item_knows_when_a_stop_text_has_come_up() -> None:
    ends = _item(_request("a", stop=("work", "yz"))).ends
    assert ends is not None
    assert not ends(np.array(_tokens(" the wor")))
    assert ends(np.array(_tokens(" the work is")))
    assert _item(_request("a")).ends is None


def test_equal_options_share_a_batch_whatever_the_prompts() -> None:
    items = prepare(_request("a", "a longer prompt"), artifact("generator")).items
    assert items[0].length != items[1].length
    assert (items[0].run, items[0].alike) == (items[1].run, items[1].alike)


def test_prompts_of_other_lengths_stay_apart_where_padding_would_be_seen() -> None:
    request = _request("a", "b", "a longer prompt", repetition_penalty=1.5)
    one, two, longer = prepare(request, artifact("generator", **OPEN)).items
    assert one.alike == two.alike != longer.alike


def test_seeded_items_run_alone() -> None:
    one, two = prepare(_request("a", "a", seed=1, do_sample=True), artifact("generator")).items
    assert one.run == two.run
    assert one.run.seed == 1
    assert one.alike != two.alike


BAD = [
    pytest.param(_request(), {}, "inputs", id="no inputs"),
    pytest.param(_request("a", "b"), {"max_inputs": 1}, "inputs", id="too many inputs"),
    pytest.param(_request("a", "bbb"), {"max_text_chars": 2}, "inputs[1]", id="too many characters"),
    pytest.param(_request("a", "word " * 96), {}, "inputs[1]", id="no room behind the prompt"),
    pytest.param(_request("a", stop=("x", "")), {}, "stop[1]", id="an empty stop text"),
    pytest.param(_request("a", stop=("x", "yyy")), {"max_text_chars": 2}, "stop[1]", id="a long stop text"),
    pytest.param(_request("a", stop=("x",) * 17), {}, "stop", id="too many stop texts"),
    pytest.param(_request("a", max_new_tokens=0), {}, "parameters.max_new_tokens", id="no tokens"),
    pytest.param(
        _request("a", max_new_tokens=9), {"max_new_tokens": 8}, "parameters.max_new_tokens", id="too many tokens"
    ),
    pytest.param(_request("a", num_beams=3), {"max_sequences": 2}, "parameters.num_beams", id="too many beams"),
    pytest.param(_request("a", temperature=0.0, do_sample=True), {}, "parameters.temperature", id="no temperature"),
    pytest.param(_request("a", num_return_sequences=2), {}, "parameters.num_return_sequences", id="the same twice"),
]


@pytest.mark.parametrize(("request_", "limits", "field"), BAD)
def test_what_can_not_be_used_is_named(request_: GenerateTextRequest, limits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(request_, artifact("generator", limits=Limits(**limits)))
    assert [violation.field for violation in caught.value.violations] == [field]


UNSUPPORTED = [
    pytest.param({"frobnicate": 1}, id="an unknown keyword"),
    pytest.param({"return_tensors": True}, id="tensors instead of text"),
    pytest.param({"handle_long_generation": "sometimes"}, id="a strategy that there is not"),
    pytest.param({"stop_sequence": 3}, id="a stop sequence that is no text"),
    pytest.param({"truncation": "sometimes"}, id="a truncation that there is not"),
    pytest.param({"streamer": "x"}, id="an object"),
    pytest.param({"eos_token_id": 1.5}, id="half a token"),
    pytest.param({"eos_token_id": "x"}, id="a token that is text"),
]


@pytest.mark.parametrize("parameters", UNSUPPORTED)
def test_what_the_pipeline_does_not_take_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="parameters"):
        prepare(_request("a", **parameters), artifact("generator", **OPEN))


REACHING_TOO_FAR = [
    pytest.param({"tokenizer_encode_kwargs": {"truncation": True}}, id="the tokenizer's keywords"),
    pytest.param({"continue_final_message": True}, id="a chat's last message"),
    pytest.param({"prefix": 3}, id="a prefix that is no text"),
    pytest.param({"max_length": 0}, id="no length"),
    pytest.param({"add_special_tokens": "yes"}, id="special tokens by word"),
]


@pytest.mark.parametrize("parameters", REACHING_TOO_FAR)
def test_what_a_request_can_not_set_is_named(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(_request("a", **parameters), artifact("generator", **OPEN))
    assert [violation.field for violation in caught.value.violations] == [f"parameters.{key}" for key in parameters]


def test_it_is_unsupported_where_the_key_is_at_fault() -> None:
    with pytest.raises(UnsupportedParameter, match=r"parameters\.frobnicate"):
        prepare(_request("a", frobnicate=1), artifact("generator", **OPEN))


def test_dropped_parameters_are_warned_of() -> None:
    [warning] = prepare(_request("a", top_p=0.5), artifact("generator")).warnings
    assert warning.startswith("parameters.top_p was ignored")


def test_every_sequence_of_every_prompt() -> None:
    prepared = prepare(_request("P", "Q", do_sample=True, num_return_sequences=2), artifact("generator"))
    response = prepared.decode(
        [_row(_tokens(" one"), _tokens(" two")), _row(_tokens(" three"), [*_tokens(" four"), 0])]
    )
    texts = [[sequence.text for sequence in result.sequences] for result in response.results]
    assert texts == [["P one", "P two"], ["Q three", "Q four"]]
    assert [result.prompt_token_count for result in response.results] == [1, 1]
    last = response.results[1].sequences[1]
    assert (last.finish_reason, last.token_count) == (FinishReason.END_TOKEN, len(_tokens(" four")) + 1)
    assert response.results[0].sequences[0].finish_reason is FinishReason.LENGTH


@pytest.mark.parametrize("saved_stop", ["work", ["work", "yz"]], ids=["a text", "a list"])
def test_stop_texts_that_a_model_for_completions_was_saved_with(saved_stop: Any) -> None:
    model = replace(artifact("llm-completions"), config={"max_tokens": 4, "stop": saved_stop})
    own, asked = (prepare(_request("a", stop=stop), model) for stop in ((), ("yz",)))
    row = _row(_tokens("the work of"))
    assert own.decode([row]).results[0].sequences[0].text == "the "
    assert asked.decode([row]).results[0].sequences[0].text == "the work of"


@pytest.mark.parametrize(
    ("recipe", "saved_stop", "field"),
    [
        pytest.param("llm-completions", 3, "parameters.stop", id="a number"),
        pytest.param("llm-completions", [""], r"parameters.stop[0]", id="an empty text"),
        pytest.param("generator-bare", ["work"], "parameters.stop", id="a model for no llm/v1 task"),
    ],
)
def test_saved_stop_texts_that_can_not_be_used(recipe: str, saved_stop: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(_request("a"), replace(artifact(recipe), config={"max_new_tokens": 4, "stop": saved_stop}))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_the_pipelines_stop_sequence_is_an_end_token() -> None:
    prepared = prepare(_request("P", stop_sequence="."), artifact("generator", **OPEN))
    assert prepared.items[0].run.options["eos_token_id"] == _tokens(".")
    [sequence] = prepared.decode([_row(_tokens(" one."))]).results[0].sequences
    assert sequence.finish_reason is FinishReason.END_TOKEN


def test_white_space_at_the_ends_is_kept() -> None:
    prepared = prepare(_request("  P"), artifact("generator"))
    assert prepared.decode([_row(_tokens(" one \n"))]).results[0].sequences[0].text == "  P one \n"


def test_padding_is_no_text() -> None:
    row = {"tokens": np.array([_tokens("one two"), [5] * len(_tokens("one two"))]), "lengths": np.array([1, 0])}
    assert [len(tokens) for tokens in generated(row)] == [1, 0]


def _streamed(request: GenerateTextRequest, steps: list[dict[int, Row]], recipe: str = "generator") -> list[Any]:
    fold = prepare(request, artifact(recipe)).fold
    assert fold is not None
    folding = fold()
    return [folding.step(step) for step in steps]


def test_a_step_that_says_nothing_new_is_no_message() -> None:
    half = _tokens("é")[:1]
    messages = _streamed(_request("P", return_full_text=False), [{0: _row(half, done=False)}])
    assert messages == [None]


def test_a_sequence_ends_once() -> None:
    row = _row(_tokens(" one"))
    first, second = _streamed(_request("P"), [{0: row}, {0: row}])
    count = len(_tokens(" one"))
    assert first == StreamGenerateTextResponse((TextGenerationDelta(0, 0, "P one", FinishReason.LENGTH, count, 1),))
    assert second is None


def test_an_end_without_text_is_said() -> None:
    steps = [{0: _row(_tokens("one"), done=False)}, {0: _row([*_tokens("one"), 0])}]
    messages = _streamed(_request("P", return_full_text=False), steps)
    [delta] = messages[1].results
    assert (delta.text, delta.finish_reason) == ("", FinishReason.END_TOKEN)


def test_deltas_name_their_input_and_sequence() -> None:
    request = _request("P", "Q", do_sample=True, num_return_sequences=2)
    [message] = _streamed(request, [{1: _row(_tokens("one"), _tokens("two"))}])
    assert [(delta.input, delta.sequence, delta.text) for delta in message.results] == [(1, 0, "Qone"), (1, 1, "Qtwo")]


_TEXTS = st.lists(st.sampled_from([" ", "\n", "a", " the", "é", "🙂", "END", "E", "N", ":"]), min_size=1, max_size=10)


@settings(max_examples=60, deadline=None)
@given(_TEXTS.map("".join), st.sampled_from([(), ("END",)]), st.lists(st.integers(1, 20), max_size=6))
def test_the_pieces_of_a_stream_add_up_to_the_whole(text: str, stop: tuple[str, ...], seen: list[int]) -> None:
    """Whichever steps a reader sees: one that falls behind skips some."""
    tokens = _tokens(text)
    cut = next((n for n in range(len(tokens) + 1) if any(s in TOKENIZER.decode(tokens[:n]) for s in stop)), len(tokens))
    tokens = tokens[:cut]
    request = _request("P", stop=stop, return_full_text=False)
    steps = [{0: _row(tokens[:count], done=False)} for count in sorted(seen) if count < len(tokens)]
    messages = _streamed(request, [*steps, {0: _row(tokens)}])
    deltas = [delta for message in messages if message for delta in message.results]
    [sequence] = prepare(request, artifact("generator")).decode([_row(tokens)]).results[0].sequences
    assert "".join(delta.text for delta in deltas) == sequence.text
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == [sequence.finish_reason]
    assert deltas[-1].token_count == sequence.token_count


@pytest.mark.parametrize("recipe", ["generator", "generator-bare", "generator-with-template", "generator-collapsing"])
def test_the_probe_takes_two_steps(recipe: str) -> None:
    assert [item.run.options["max_new_tokens"] for item in FAMILY.probe(artifact(recipe)).items] == [2]
