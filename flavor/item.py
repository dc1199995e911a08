"""What a family hands to execution: items that stand alone, how each is to be run, and how their rows are decoded."""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Row = Mapping[str, Array]
"""What the model gave for one item: arrays by name, without a batch dimension."""


@dataclass(frozen=True)
class Forward:
    """The model's own forward pass.

    Rows hold the model's outputs of these names; without names its first output, as `output`. `per_token` says that the
    outputs' first dimension is the item's length, so that what padding added is cut.
    """

    outputs: tuple[str, ...] = ()
    per_token: bool = False


@dataclass(frozen=True)
class Step:
    """The pipeline's own forward step with `options` (its keyword arguments); rows hold what it gives by name.

    Equal keys mean equal options.
    """

    key: str
    options: Mapping[str, Any] = field(compare=False)


@dataclass(frozen=True)
class Generate:
    """Generate tokens with `options` (keyword arguments of `generate`); rows hold `tokens` and `lengths`.

    Equal keys mean equal options. The streams of several callers may share the steps of one run.
    """

    key: str
    options: Mapping[str, Any] = field(compare=False)
    seed: int | None = None


@dataclass(frozen=True)
class Whole:
    """A prediction that is one call of a pipeline from end to end; `call` makes it and gives the row.

    It has the model for itself: such an item shares no batch.
    """

    call: Callable[[], Row]


Run = Forward | Step | Generate | Whole


@dataclass(frozen=True)
class Item:
    """One input as the model reads it.

    `arrays` have no batch dimension; those whose first dimension is `length` may be padded in a batch. Only items with
    equal `run` and equal `alike` share a batch. `ends` says of a sequence's generated tokens (int64, shape (tokens,))
    whether a stop text has come up in them.
    """

    arrays: Row
    length: int
    run: Run
    alike: Hashable = None
    ends: Callable[[Array], bool] | None = None


class Fold(Protocol):
    """Turns a call's growing sequences into the pieces of a stream."""

    def step(self, rows: Mapping[int, Row]) -> Any:
        """The response for the items that moved on, by index; None where there is nothing to send yet."""


@dataclass(frozen=True)
class Prepared:
    """A call ready to run: its items in input order, what makes a response of their rows, and what to warn of."""

    items: tuple[Item, ...]
    decode: Callable[[Sequence[Row]], Any]
    warnings: tuple[str, ...] = ()
    fold: Callable[[], Fold] | None = None


def step(options: Mapping[str, Any]) -> Step:
    """The pipeline's forward step with these options, as a run that equal options share."""
    return Step(key_of(options), options)


def key_of(options: Mapping[str, Any]) -> str:
    """A text that is equal for equal options."""
    return json.dumps(options, sort_keys=True, default=repr)


def solo() -> Hashable:
    """An `alike` that equals no other: the item runs in a batch of its own."""
    return object()


def as_row(arrays: Mapping[str, Any]) -> Row:
    """Arrays by name from lists or tensors."""
    return {name: np.asarray(value) for name, value in arrays.items()}
