"""Options of a pipeline, checked by name before anything runs: a wrong one is refused with its field."""

from collections.abc import Callable, Mapping
from typing import Any

from savor.flavor.errors import InvalidInput, UnsupportedParameter, Violation

Rule = tuple[Callable[[Any], bool], str]
"""What an option's value may be: as a test, and in words."""

EXECUTION = frozenset({"batch_size", "num_workers"})
"""Every pipeline takes these; how items run together is the batcher's business."""


def is_integer(least: int) -> Callable[[Any], bool]:
    """A test for integers of `least` or more; a truth value is none."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_boolean(value: Any) -> bool:
    """Whether a value is true or false."""
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Whether a value is a text."""
    return isinstance(value, str)


def is_texts(value: Any) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list | tuple) and all(map(is_text, value))


def check(options: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """Raises UnsupportedParameter for options that have no rule, InvalidInput for values that break theirs.

    A null is no value, as for transformers' pipelines.
    """
    unknown = sorted(options.keys() - rules.keys() - EXECUTION)
    if unknown:
        known = ", ".join(sorted(rules))
        told = (Violation(f"parameters.{key}", f"the pipeline does not take it; it takes {known}") for key in unknown)
        raise UnsupportedParameter(*told)
    check_values(options, rules)


def check_values(options: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """As `check`, for a pipeline that ignores what it does not know."""
    given = {key: options[key] for key in rules if options.get(key) is not None}
    wrong = {key: value for key, value in given.items() if not rules[key][0](value)}
    if wrong:
        told = (Violation(f"parameters.{k}", f"is {v!r:.80}; it must be {rules[k][1]}") for k, v in wrong.items())
        raise InvalidInput(*told)
