"""Texts to tokens by a fast tokenizer's own Rust, without the Python around it, where both give the same.

What transformers' wrapper adds for a short text takes as long as the encoding itself. Truncation is set the wrapper's
own way, by its methods; tokenizers that change how they are called keep the wrapper.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from savor.flavor.item import Row

TRUNCATION = frozenset({"truncation", "max_length"})
"""The options of a call that are known here."""

_CALLED = (
    *("__call__", "_call_one", "batch_encode_plus", "_batch_encode_plus", "_convert_encoding"),
    *("set_truncation_and_padding", "_get_padding_truncation_strategies", "_switch_to_input_mode"),
)
"""The methods that the wrapper's way through takes."""


def is_plain(tokenizer: Any) -> bool:
    """Whether a tokenizer is a fast one that is called as all are."""
    from transformers import PreTrainedTokenizerFast

    kind, base = type(tokenizer), PreTrainedTokenizerFast
    return isinstance(tokenizer, base) and all(getattr(kind, name) is getattr(base, name) for name in _CALLED)


def fast_rows(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, options: Mapping[str, Any]
) -> list[Row]:
    """The rows of a plain tokenizer's call with options of `TRUNCATION`, special tokens added and nothing padded."""
    backend = tokenizer.backend_tokenizer
    padding, truncation, max_length, _ = tokenizer._get_padding_truncation_strategies(**options)
    tokenizer.set_truncation_and_padding(padding, truncation, max_length, 0, None, None)
    if backend.encode_special_tokens != tokenizer.split_special_tokens:
        backend.encode_special_tokens = tokenizer.split_special_tokens
    if pairs is None:
        # It leaves out offsets, which nobody asks for here; and types of pairs that no post-processor joins.
        encodings = backend.encode_batch_fast(list(texts))
    else:
        encodings = backend.encode_batch(list(zip(texts, pairs, strict=True)))
    wanted = tokenizer.model_input_names
    return [_row(encoding, "token_type_ids" in wanted, "attention_mask" in wanted) for encoding in encodings]


def _row(encoding: Any, types: bool, mask: bool) -> Row:
    ids = np.array(encoding.ids, np.int64)
    row = {"input_ids": ids}
    if types:
        row["token_type_ids"] = np.array(encoding.type_ids, np.int64)
    if mask:
        # Nothing is padded.
        row["attention_mask"] = np.ones(len(ids), np.int64)
    return row
