"""Long texts to windows of tokens that a model can read, with what finds each token in its text again.

A window is what transformers' TokenClassificationPipeline makes of it: cut at the tokenizer's own length, or at the
model's where that is less. Without a stride a text is its first window, and what comes after is not read.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from savor.flavor.encoding import TextEncoder
from savor.flavor.errors import InvalidInput
from savor.flavor.item import Array, Row, as_row
from savor.flavor.tokens import longest


@dataclass(frozen=True)
class TokenWindow:
    """Neighbouring tokens of a text.

    `row` is what the model reads, `special` (bool, shape (tokens,)) says which tokens the tokenizer added, `offsets`
    (int64, shape (tokens, 2)) where each starts and ends in the text; None where the tokenizer does not know.
    """

    row: Row
    special: Array
    offsets: Array | None


@dataclass(frozen=True)
class Reading:
    """One text as the model reads it. `whole` says whether its windows hold all of its tokens."""

    windows: tuple[TokenWindow, ...]
    whole: bool


def read(texts: Sequence[str], encoder: TextEncoder, stride: int | None, most: int) -> tuple[Reading, ...]:
    """The windows of each text; with a stride neighbouring ones share that many tokens.

    Raises InvalidInput for a stride that leaves no room, for more than `most` windows, and for a text without tokens.
    """
    with encoder.borrow() as tokenizer:
        limit = longest(tokenizer, encoder.max_tokens)
        if stride is not None and limit is not None:
            _check_count(texts, tokenizer, _step(tokenizer, limit, stride), most)
        encoded = tokenizer(
            list(texts),
            truncation=limit is not None,
            max_length=limit,
            stride=stride or 0,
            return_overflowing_tokens=limit is not None,
            return_special_tokens_mask=True,
            return_offsets_mapping=tokenizer.is_fast,
        )
    return _readings(encoded, len(texts), 1 if stride is None else None)


def _step(tokenizer: Any, limit: int, stride: int) -> int:
    """How many tokens one window is ahead of the one before."""
    room = limit - tokenizer.num_special_tokens_to_add()
    if stride >= room:
        problem = f"is {stride}; a window has {room} tokens of the text, and it must be less than that"
        raise InvalidInput.at("parameters.stride", problem)
    return int(room - stride)


def _check_count(texts: Sequence[str], tokenizer: Any, step: int, most: int) -> None:
    """Counts before any window is made: a great stride makes hundreds of one long text."""
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)
    count = sum(max(math.ceil(len(ids) / step), 1) for ids in encoded["input_ids"])
    if count > most:
        problem = f"are {count} windows; this server takes {most}: shorten the texts, or lower parameters.stride"
        raise InvalidInput.at("inputs", problem)


def _readings(encoded: Any, count: int, kept: int | None) -> tuple[Reading, ...]:
    """The first windows of each text, `kept` of them or all."""
    owners = encoded.pop("overflow_to_sample_mapping", range(count))
    # A slow tokenizer makes no further windows; it tells how many tokens it left out instead.
    left_out = encoded.pop("num_truncated_tokens", [0] * count)
    encoded.pop("overflowing_tokens", None)
    special = encoded.pop("special_tokens_mask")
    offsets = encoded.pop("offset_mapping", [None] * len(special))
    windows: list[list[TokenWindow]] = [[] for _ in range(count)]
    for index, owner in enumerate(owners):
        row = as_row({name: values[index] for name, values in encoded.items()})
        spans = None if offsets[index] is None else np.asarray(offsets[index]).reshape(-1, 2)
        windows[owner].append(TokenWindow(row, np.asarray(special[index], bool), spans))
    for index, own in enumerate(windows):
        if not len(own[0].special):
            raise InvalidInput.at(f"inputs[{index}]", "has no tokens that the model could read: leave it out")
    pairs = zip(windows, left_out, strict=True)
    return tuple(Reading(tuple(own[:kept]), len(own[:kept]) == len(own) and missing <= 0) for own, missing in pairs)
