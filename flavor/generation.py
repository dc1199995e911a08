"""Options of `generate`, checked before a batch runs: a wrong one must fail its own call, never its neighbours'.

What transformers would only find out in the middle of a run (an unknown keyword, a temperature of 0) is refused here by
name, and what would let one call hold the model for hours is bounded by the operator's limits.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from savor.flavor.errors import InvalidInput, UnsupportedParameter, Violation
from savor.flavor.item import Generate, Item, Prepared, key_of
from savor.flavor.limits import Limits
from savor.flavor.options import Rule, check_values, is_boolean, is_integer

_Check = Callable[[Any], bool]


def _number(low: float, high: float = float("inf"), *, above: bool = False) -> _Check:
    def check(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and (low < value if above else low <= value) and value <= high

    return check


def _token_list(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(is_integer(0), value))


def _tokens(value: Any) -> bool:
    return is_integer(0)(value) or (_token_list(value) and len(value) > 0)


_RULES: Mapping[str, Rule] = {
    "max_new_tokens": (is_integer(1), "an integer of 1 or more"),
    "min_new_tokens": (is_integer(0), "an integer of 0 or more"),
    "max_length": (is_integer(1), "an integer of 1 or more"),
    "min_length": (is_integer(0), "an integer of 0 or more"),
    "do_sample": (is_boolean, "true or false"),
    "use_cache": (is_boolean, "true or false"),
    "temperature": (_number(1e-4, 1e4), "in [0.0001, 10000]; for the likeliest token set do_sample to false"),
    "top_k": (is_integer(0), "an integer of 0 or more"),
    "top_p": (_number(0, 1, above=True), "above 0 and at most 1"),
    "epsilon_cutoff": (_number(0, 1), "in [0, 1]"),
    "eta_cutoff": (_number(0, 1), "in [0, 1]"),
    "min_p": (_number(0, 1), "in [0, 1]"),
    "typical_p": (_number(0, 1, above=True), "above 0 and at most 1"),
    "repetition_penalty": (_number(0.01, 100), "in [0.01, 100]"),
    "encoder_repetition_penalty": (_number(0.01, 100), "in [0.01, 100]"),
    "encoder_no_repeat_ngram_size": (is_integer(0), "an integer of 0 or more"),
    "diversity_penalty": (_number(0, 100), "in [0, 100]"),
    "early_stopping": (lambda value: is_boolean(value) or value == "never", 'true, false or "never"'),
    "renormalize_logits": (is_boolean, "true or false"),
    "remove_invalid_values": (is_boolean, "true or false"),
    "suppress_tokens": (_token_list, "a list of tokens' ids"),
    "begin_suppress_tokens": (_token_list, "a list of tokens' ids"),
    "no_repeat_ngram_size": (is_integer(0), "an integer of 0 or more"),
    "num_beams": (is_integer(1), "an integer of 1 or more"),
    "num_beam_groups": (is_integer(1), "an integer of 1 or more"),
    "num_return_sequences": (is_integer(1), "an integer of 1 or more"),
    "frequency_penalty": (_number(-2, 2), "in [-2, 2]"),
    "presence_penalty": (_number(-2, 2), "in [-2, 2]"),
    "length_penalty": (_number(-100, 100), "in [-100, 100]"),
    "penalty_alpha": (_number(0, 1), "in [0, 1]"),
    "eos_token_id": (_tokens, "a token's id, or a list of them"),
    "bos_token_id": (is_integer(0), "a token's id"),
    "pad_token_id": (is_integer(0), "a token's id"),
    "forced_bos_token_id": (is_integer(0), "a token's id"),
}

_UNUSED_TEMPERATURE = (_number(0, 1e4), "in [0, 10000]")
"""The rule without sampling, where nothing is divided by the temperature: many write 0 beside do_sample=false."""

_LOOKS_AT_PROMPT: Mapping[str, float] = {
    "repetition_penalty": 1,
    "encoder_repetition_penalty": 1,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "penalty_alpha": 0,
    "prompt_lookup_num_tokens": 0,
}
"""Options by which a prompt's padding would change what is generated, and the value at which they do nothing."""

_OWN = frozenset(
    {"stopping_criteria", "streamer", "logits_processor", "generation_config", "stop_strings", "tokenizer"}
)
"""Keywords of `generate` that take objects, or that the server sets itself."""


def settle(options: Mapping[str, Any], config: Any, limits: Limits, asked: Collection[str]) -> dict[str, Any]:
    """The options that a call's `generate` runs with.

    `config` is the pipeline's `transformers.GenerationConfig`; `asked` are the options that the request itself set, to
    which the operator's limits apply. Raises InvalidInput or UnsupportedParameter with every option at fault.
    """
    # What a model was saved with is the operator's word; a request may say what can be checked here, and no more:
    # other keywords load code, keep state on the model, or fail in the middle of a run.
    unknown = [key for key in options if key not in (_RULES if key in asked else vars(config)) or key in _OWN]
    if unknown:
        raise UnsupportedParameter(
            *(Violation(f"parameters.{key}", "the pipeline does not take it") for key in unknown)
        )
    rules = _RULES if value(options, config, "do_sample") else {**_RULES, "temperature": _UNUSED_TEMPERATURE}
    check_values(options, rules)
    _check_ceilings({key: options[key] for key in asked if options.get(key) is not None}, limits)
    _check_sequences(options, config)
    return dict(options)


def value(options: Mapping[str, Any], config: Any, key: str) -> Any:
    """What an option comes to: the call's own value, else the model's."""
    given = options.get(key)
    return getattr(config, key, None) if given is None else given


def _check_ceilings(options: Mapping[str, Any], limits: Limits) -> None:
    ceilings = {
        "max_new_tokens": limits.max_new_tokens,
        "num_beams": limits.max_sequences,
        "num_return_sequences": limits.max_sequences,
    }
    over = [
        Violation(f"parameters.{key}", f"is {options[key]}; this server allows {ceiling}")
        for key, ceiling in ceilings.items()
        if options.get(key, 0) > ceiling
    ]
    if over:
        raise InvalidInput(*over)


def _check_sequences(options: Mapping[str, Any], config: Any) -> None:
    """Raises InvalidInput where more sequences are asked for than there can be different ones."""
    count, beams = (value(options, config, key) or 1 for key in ("num_return_sequences", "num_beams"))
    if count > 1 and beams == 1 and not value(options, config, "do_sample"):
        problem = f"is {count}, but without sampling all are one: set do_sample to true, or num_beams to {count}"
        raise InvalidInput.at("parameters.num_return_sequences", problem)
    if count > beams > 1:
        raise InvalidInput.at("parameters.num_return_sequences", f"is {count}, more than num_beams, {beams}")


def counted_from_prompt(
    options: Mapping[str, Any], config: Any, prompt_tokens: int, room: int, field: str
) -> dict[str, Any]:
    """The options with lengths counted from the prompt's end, as totals would count a batch's padding.

    max_new_tokens is what the call or the model says, else what max_length leaves, and no more than there is `room`
    for, in tokens. `field` is the prompt's path.
    """
    counted = {key: item for key, item in options.items() if key not in ("max_length", "min_length")}
    budget = value(options, config, "max_new_tokens")
    if budget is None:
        length = value(options, config, "max_length") or 20
        if prompt_tokens >= length:
            raise InvalidInput.at(field, f"has {prompt_tokens} tokens, and max_length is {length}: nothing can follow")
        budget = length - prompt_tokens
    counted["max_new_tokens"] = int(min(budget, room))
    if (least := value(options, config, "min_length")) and value(options, config, "min_new_tokens") is None:
        counted |= {"min_length": 0, "min_new_tokens": max(least - prompt_tokens, 0)}
    return counted


def sees_padding(options: Mapping[str, Any], config: Any) -> bool:
    """Whether prompts of other lengths in the batch could change what is generated for one."""
    return any(value(options, config, key) not in (None, neutral) for key, neutral in _LOOKS_AT_PROMPT.items())


def run(options: Mapping[str, Any], seed: int | None = None) -> Generate:
    """The options as a run that equal options share."""
    return Generate(key_of(options), options, seed)


def short(prepared: Prepared, tokens: int) -> Prepared:
    """A prepared call that takes the likeliest token so many times, as far as there is room for them, and ends."""

    def few(item: Item) -> Generate:
        assert isinstance(item.run, Generate)
        room = item.run.options.get("max_new_tokens") or tokens
        return run({"max_new_tokens": min(tokens, room), "do_sample": False, "num_beams": 1})

    return replace(prepared, items=tuple(replace(item, run=few(item)) for item in prepared.items))
