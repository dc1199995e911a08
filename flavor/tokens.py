"""Encoded texts as items: one shares a batch with longer ones only where its attention mask hides the padding."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from savor.flavor.item import Forward, Item, Row

_UNLIMITED = 1_000_000
"""Tokenizers without a limit say so with a number far above this one."""


def item(row: Row, run: Forward) -> Item:
    """The item of a tokenizer's answer for one text."""
    length = len(row["input_ids"])
    return Item(row, length, run, alike=(tuple(row), None if "attention_mask" in row else length))


def classified_item(row: Row, end: int | Sequence[int] | None) -> Item:
    """The item of a text for a model with one answer for each; `end` is what the model knows ends of text by.

    A model like BART's answers at the last end of text, and refuses batches in which one has more ends than another. A
    text that spells such a token has more.
    """
    plain = item(row, Forward())
    ends = 0 if end is None else int(np.count_nonzero(np.isin(row["input_ids"], end)))
    return replace(plain, alike=(plain.alike, ends))


def longest(tokenizer: Any, max_tokens: int | None) -> int | None:
    """How many tokens are read at once, special tokens included; None where there is no limit.

    `max_tokens` is how many the model has positions for.
    """
    limit = int(min(tokenizer.model_max_length, max_tokens or _UNLIMITED + 1))
    return None if limit > _UNLIMITED else limit
