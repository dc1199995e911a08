"""Options of generate: each rule, the operator's ceilings, and lengths that a batch's padding does not change."""

import math
from typing import Any

import pytest
from transformers import GenerationConfig

from savor.flavor import generation
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.limits import Limits

CONFIG = GenerationConfig(max_new_tokens=256, do_sample=True, temperature=0.7, eos_token_id=0)
GREEDY = GenerationConfig(max_new_tokens=256, do_sample=False)

GOOD: dict[str, list[Any]] = {
    "max_new_tokens": [1, 4096],
    "min_new_tokens": [0, 3],
    "max_length": [1],
    "min_length": [0],
    "do_sample": [True, False],
    "use_cache": [True, False],
    "temperature": [0.1, 1, 2.5],
    "top_k": [0, 50],
    "top_p": [0.1, 1, 1.0],
    "min_p": [0, 0.5, 1],
    "typical_p": [0.2, 1.0],
    "repetition_penalty": [0.5, 2],
    "no_repeat_ngram_size": [0, 2],
    "num_beams": [1, 4],
    "num_beam_groups": [1, 2],
    "num_return_sequences": [1, 3],
    "length_penalty": [-1.0, 0, 2],
    "penalty_alpha": [0, 0.6],
    "suppress_tokens": [[], [0, 5]],
    "eos_token_id": [0, [1, 2]],
}
BAD: dict[str, list[Any]] = {
    "max_new_tokens": [0, -1, 2.0, "2", True],
    "min_new_tokens": [-1, 1.5],
    "max_length": [0, "all"],
    "min_length": [-1],
    "do_sample": [1, "yes", [True]],
    "use_cache": [0],
    "temperature": [0, -0.5, "hot", True, math.nan],
    "top_k": [-1, 1.5, False],
    "top_p": [0, 1.1, math.nan],
    "min_p": [-0.1, 1.1],
    "typical_p": [0, 2],
    "repetition_penalty": [0, -1, "much"],
    "no_repeat_ngram_size": [-1, 0.5],
    "num_beams": [0, 2.0],
    "num_beam_groups": [0],
    "num_return_sequences": [0, "two"],
    "length_penalty": ["long", math.nan],
    "penalty_alpha": [-1, 2],
    "suppress_tokens": [5, [-1], [0.5]],
    "eos_token_id": [[], -1],
}


def _cases(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(key, value, id=f"{key}={value!r}") for key, values in table.items() for value in values]


@pytest.mark.parametrize(("key", "value"), _cases(GOOD))
def test_a_good_option_passes_as_it_is(key: str, value: Any) -> None:
    assert generation.settle({key: value}, CONFIG, Limits(), {key: value}) == {key: value}


@pytest.mark.parametrize(("key", "value"), _cases(BAD))
def test_a_bad_option_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        generation.settle({key: value}, CONFIG, Limits(), {key: value})
    assert [violation.field for violation in caught.value.violations] == [f"parameters.{key}"]
    assert repr(value) in caught.value.violations[0].problem


@pytest.mark.parametrize("key", GOOD)
def test_a_null_option_is_no_fault(key: str) -> None:
    generation.settle({key: None}, CONFIG, Limits(), {key: None})


def test_without_sampling_a_temperature_of_0_is_no_fault() -> None:
    greedy = {"temperature": 0.0, "do_sample": False}
    assert generation.settle(greedy, CONFIG, Limits(), greedy) == greedy
    with pytest.raises(InvalidInput, match=r"parameters\.temperature"):
        generation.settle({**greedy, "temperature": -1.0}, CONFIG, Limits(), greedy)


def test_every_bad_option_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        generation.settle(
            {"temperature": 0, "top_p": 2, "top_k": 1}, CONFIG, Limits(), {"temperature": 0, "top_p": 2, "top_k": 1}
        )
    assert {violation.field for violation in caught.value.violations} == {"parameters.temperature", "parameters.top_p"}


UNKNOWN = ["frobnicate", "stopping_criteria", "streamer", "logits_processor", "generation_config", "stop_strings"]
METHODS = ["to_dict", "validate", "update", "save_pretrained", "__class__"]


@pytest.mark.parametrize("key", [*UNKNOWN, "tokenizer"])
def test_an_option_that_generate_does_not_take(key: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        generation.settle({key: None, "top_k": -1}, CONFIG, Limits(), {key: None, "top_k": -1})
    assert [violation.field for violation in caught.value.violations] == [f"parameters.{key}"]


@pytest.mark.parametrize("key", METHODS)
def test_a_method_of_the_configuration_is_no_option(key: str) -> None:
    with pytest.raises(UnsupportedParameter):
        generation.settle({key: 1}, CONFIG, Limits(), {key: 1})


CEILINGS = [
    pytest.param("max_new_tokens", 11, "this server allows 10", id="tokens"),
    pytest.param("num_beams", 4, "this server allows 3", id="beams"),
    pytest.param("num_return_sequences", 4, "this server allows 3", id="sequences"),
]


@pytest.mark.parametrize(("key", "over", "sentence"), CEILINGS)
def test_ceilings(key: str, over: int, sentence: str) -> None:
    limits = Limits(max_new_tokens=10, max_sequences=3)
    generation.settle({key: over - 1}, CONFIG, limits, {key: over - 1})
    with pytest.raises(InvalidInput, match=f"parameters.{key}: is {over}; {sentence}"):
        generation.settle({key: over}, CONFIG, limits, {key: over})


def test_several_ceilings_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        generation.settle(
            {"max_new_tokens": 99, "num_beams": 99},
            CONFIG,
            Limits(max_new_tokens=10, max_sequences=3),
            {"max_new_tokens": 99, "num_beams": 99},
        )
    assert len(caught.value.violations) == 2


def test_the_models_own_default_is_no_callers_fault() -> None:
    assert generation.settle({}, CONFIG, Limits(max_new_tokens=10), {}) == {}


@pytest.mark.parametrize(
    ("options", "config"),
    [
        pytest.param({"num_return_sequences": 2}, GREEDY, id="greedy"),
        pytest.param({"num_return_sequences": 2, "do_sample": False}, CONFIG, id="greedy by the call"),
        pytest.param({"num_return_sequences": 3, "num_beams": 2}, GREEDY, id="more than beams"),
        pytest.param({"num_return_sequences": 3, "num_beams": 2}, CONFIG, id="more than sampled beams"),
    ],
)
def test_sequences_that_could_only_be_the_same(options: dict[str, Any], config: GenerationConfig) -> None:
    with pytest.raises(InvalidInput, match=r"parameters\.num_return_sequences"):
        generation.settle(options, config, Limits(), options)


@pytest.mark.parametrize(
    ("options", "config"),
    [
        pytest.param({"num_return_sequences": 2}, CONFIG, id="sampled"),
        pytest.param({"num_return_sequences": 2, "num_beams": 2}, GREEDY, id="beams"),
        pytest.param({"num_return_sequences": 2, "do_sample": True}, GREEDY, id="sampled by the call"),
    ],
)
def test_sequences_that_differ(options: dict[str, Any], config: GenerationConfig) -> None:
    assert generation.settle(options, config, Limits(), options) == options


PLAIN = GenerationConfig()
COUNTED = [
    pytest.param({"max_new_tokens": 5}, CONFIG, 7, 100, {"max_new_tokens": 5}, id="the call's"),
    pytest.param({}, CONFIG, 7, 1000, {"max_new_tokens": 256}, id="the model's"),
    pytest.param({"max_new_tokens": 5}, CONFIG, 7, 3, {"max_new_tokens": 3}, id="no more than there is room for"),
    pytest.param({"max_length": 12}, PLAIN, 7, 100, {"max_new_tokens": 5}, id="what the call's max_length leaves"),
    pytest.param({}, GenerationConfig(max_length=10), 7, 100, {"max_new_tokens": 3}, id="what the model's leaves"),
    pytest.param({}, PLAIN, 7, 100, {"max_new_tokens": 13}, id="what transformers' default leaves"),
    pytest.param(
        {"max_length": 12, "max_new_tokens": 2}, PLAIN, 7, 100, {"max_new_tokens": 2}, id="new tokens over the length"
    ),
    pytest.param({"max_length": 12}, CONFIG, 7, 999, {"max_new_tokens": 256}, id="the model's over the length"),
    pytest.param(
        {"max_new_tokens": 9, "min_length": 10},
        CONFIG,
        7,
        100,
        {"max_new_tokens": 9, "min_length": 0, "min_new_tokens": 3},
        id="min_length",
    ),
    pytest.param(
        {"max_new_tokens": 9, "min_length": 5},
        CONFIG,
        7,
        100,
        {"max_new_tokens": 9, "min_length": 0, "min_new_tokens": 0},
        id="a min_length that the prompt has",
    ),
    pytest.param(
        {"max_new_tokens": 9, "min_length": 10, "min_new_tokens": 1},
        CONFIG,
        7,
        100,
        {"max_new_tokens": 9, "min_new_tokens": 1},
        id="min_new_tokens over min_length",
    ),
    pytest.param(
        {"max_new_tokens": 5, "top_k": 3}, CONFIG, 7, 100, {"max_new_tokens": 5, "top_k": 3}, id="others stay"
    ),
]


@pytest.mark.parametrize(("options", "config", "prompt", "room", "expected"), COUNTED)
def test_lengths_are_counted_from_the_prompt(
    options: dict[str, Any], config: GenerationConfig, prompt: int, room: int, expected: dict[str, Any]
) -> None:
    assert generation.counted_from_prompt(options, config, prompt, room, "inputs[0]") == expected


def test_the_models_min_length_is_counted_from_the_prompt_too() -> None:
    config = GenerationConfig(max_new_tokens=9, min_length=10)
    assert generation.counted_from_prompt({}, config, 7, 100, "inputs[0]")["min_new_tokens"] == 3


@pytest.mark.parametrize("prompt", [12, 13], ids=["exactly", "beyond"])
def test_a_prompt_that_max_length_does_not_leave_room_for(prompt: int) -> None:
    with pytest.raises(InvalidInput, match=r"inputs\[2\]: has 1[23] tokens, and max_length is 12"):
        generation.counted_from_prompt({"max_length": 12}, PLAIN, prompt, 100, "inputs[2]")


SEES = [
    pytest.param({}, False, id="nothing"),
    pytest.param({"temperature": 0.5, "top_k": 3, "max_new_tokens": 9}, False, id="sampling"),
    pytest.param({"repetition_penalty": 1.0}, False, id="a repetition_penalty of 1"),
    pytest.param({"repetition_penalty": 1.3}, True, id="a repetition_penalty"),
    pytest.param({"no_repeat_ngram_size": 0}, False, id="a no_repeat_ngram_size of 0"),
    pytest.param({"no_repeat_ngram_size": 2}, True, id="a no_repeat_ngram_size of 2"),
    pytest.param({"no_repeat_ngram_size": 1}, True, id="a no_repeat_ngram_size of 1, which bans every token seen"),
    pytest.param({"penalty_alpha": 0.6, "top_k": 4}, True, id="contrastive search"),
    pytest.param({"encoder_repetition_penalty": 1.3}, True, id="an encoder_repetition_penalty"),
    pytest.param({"encoder_no_repeat_ngram_size": 2}, True, id="an encoder_no_repeat_ngram_size"),
]


@pytest.mark.parametrize(("options", "expected"), SEES)
def test_which_options_see_padding(options: dict[str, Any], expected: bool) -> None:
    assert generation.sees_padding(options, PLAIN) is expected


def test_the_models_own_options_see_padding_too() -> None:
    assert generation.sees_padding({}, GenerationConfig(repetition_penalty=1.2))


def test_value_prefers_the_call() -> None:
    assert generation.value({"top_k": 3}, GenerationConfig(top_k=9), "top_k") == 3
    assert generation.value({"top_k": None}, GenerationConfig(top_k=9), "top_k") == 9
    assert generation.value({}, GenerationConfig(), "frobnicate") is None


def test_runs_are_equal_where_options_and_seed_are() -> None:
    one = generation.run({"top_k": 3, "top_p": 0.5})
    assert one == generation.run({"top_p": 0.5, "top_k": 3})
    assert hash(one) == hash(generation.run({"top_p": 0.5, "top_k": 3}))
    assert one != generation.run({"top_p": 0.5, "top_k": 4})
    assert one != generation.run({"top_p": 0.5, "top_k": 3}, seed=1)
