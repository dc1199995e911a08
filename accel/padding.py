"""Items to one batch of arrays, and its outputs back to rows; what padding adds on the way in is cut on the way out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from savor.flavor.item import Array, Item


def stack(items: Sequence[Item], fill: Mapping[str, int], *, left: bool = False) -> dict[str, Array]:
    """The items' arrays by name, shape (items, …): arrays as long as their item are padded to the longest of the batch.

    `fill` gives the padding value by name, 0 by default. `left` pads in front, as generation from decoders needs.
    """
    lengths = [item.length for item in items]
    return {
        name: _stacked([item.arrays[name] for item in items], lengths, fill.get(name, 0), left)
        for name in items[0].arrays
    }


def _stacked(arrays: Sequence[Array], lengths: Sequence[int], fill: int, left: bool) -> Array:
    longest = max(lengths)
    per_token = all(array.shape[:1] == (length,) for array, length in zip(arrays, lengths, strict=True))
    if not per_token:
        return np.stack(arrays)
    stacked = np.full((len(arrays), longest, *arrays[0].shape[1:]), fill, arrays[0].dtype)
    for row, array, length in zip(stacked, arrays, lengths, strict=True):
        row[longest - length if left else 0 :][:length] = array
    return stacked


def unpad(output: Array, items: Sequence[Item]) -> list[Array]:
    """The rows of an output of shape (items, tokens, …), without the positions that padding added behind each."""
    longest = max(item.length for item in items)
    per_token = output.ndim >= 2 and output.shape[1] == longest
    return [row[: item.length] if per_token else row for row, item in zip(output, items, strict=True)]


def pad_values(tokenizer: Any, pad_token_id: int | None) -> dict[str, int]:
    """The padding value of each of a tokenizer's outputs; `pad_token_id` is what the model knows padding by.

    A model without a padding token masks its padding: any value will do.
    """
    if tokenizer is None:
        return {}
    filler = tokenizer.pad_token_id if pad_token_id is None else pad_token_id
    return {"input_ids": filler or 0, "token_type_ids": tokenizer.pad_token_type_id}
