"""Logits to labels with scores, best first, for the pipelines that sort what they hear or see.

The options are transformers': `top_k` and `function_to_apply`. A request's own `top_k` only shapes its reply, so that
MLflow's rules for parameters do not apply to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from savor.flavor.errors import InvalidInput
from savor.flavor.item import Array
from savor.flavor.options import Rule, is_integer
from savor.flavor.scores import softmax


def _sigmoid(logits: Array) -> Array:
    # In transformers' own form, so that near ties come out in its order; what overflows comes to 0, as it should.
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _none(logits: Array) -> Array:
    return logits


_FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {"softmax": softmax, "sigmoid": _sigmoid, "none": _none}

RULES: Mapping[str, Rule] = {
    "top_k": (is_integer(1), "an integer of 1 or more"),
    "function_to_apply": (lambda value: str(value).lower() in _FUNCTIONS, f"one of {', '.join(_FUNCTIONS)}"),
}
"""What the options may be."""


@dataclass(frozen=True)
class ScoredLabel:
    """A label with its score."""

    label: str
    score: float


@dataclass(frozen=True)
class Labelling:
    """How logits become labels: by which function, and how many come back (None for all)."""

    function: str
    top_k: int | None
    names: Mapping[int, str]

    def __call__(self, logits: Array) -> tuple[ScoredLabel, ...]:
        """The labels of one input's logits, shape (labels,)."""
        scores = _FUNCTIONS[self.function](logits.astype(np.float32))
        # Stable, so that equal scores keep the order of the model's labels.
        best = (-scores).argsort(kind="stable")[: self.top_k]
        names, ranked = best.tolist(), scores[best].tolist()
        return tuple(ScoredLabel(self.names[index], score) for index, score in zip(names, ranked, strict=True))


def default_function(config: Any) -> str:
    """As the pipelines' postprocess chooses by a model's configuration."""
    if config.problem_type == "multi_label_classification" or config.num_labels == 1:
        return "sigmoid"
    if config.problem_type == "single_label_classification" or config.num_labels > 1:
        return "softmax"
    return str(getattr(config, "function_to_apply", None) or "none")


def labelling(asked: int | None, options: Mapping[str, Any], default: Labelling) -> Labelling:
    """The labelling of a call whose options keep to `RULES`; `asked` is the request's top_k, 0 for all labels."""
    if asked is not None and asked < 0:
        raise InvalidInput.at("top_k", f"is {asked}; give 1 or more, or 0 for all labels")
    saved = default.top_k if options.get("top_k") is None else options["top_k"]
    function = options.get("function_to_apply") or default.function
    return Labelling(str(function).lower(), saved if asked is None else asked or None, default.names)
