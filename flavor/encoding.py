"""Texts to tokens for models that read each text once, one caller at a time, with the model's own length as the limit.

Fast tokenizers keep truncation and padding as state that threads would see of each other ("Already borrowed"), so every
use of a tokenizer goes through one lock.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from savor.flavor.errors import InvalidInput, UnsupportedParameter, Violation
from savor.flavor.fast_tokens import TRUNCATION, fast_rows, is_plain
from savor.flavor.item import Row, as_row
from savor.flavor.options import is_boolean, is_integer

_UNLIMITED = 1_000_000
"""Tokenizers without a limit say so with a number far above this one."""

_LONGEST_PADDING = 65_536
"""Tokens that a text may be padded to where the model has no limit of its own."""

_OPTIONS: Mapping[str, Callable[[Any], bool]] = {
    "truncation": lambda value: value in (True, False, "longest_first", "only_first", "only_second", "do_not_truncate"),
    "padding": lambda value: value in (True, False, "longest", "max_length", "do_not_pad"),
    "max_length": is_integer(1),
    "add_special_tokens": is_boolean,
    "return_attention_mask": is_boolean,
    "return_token_type_ids": is_boolean,
    "return_tensors": lambda value: True,
}
"""The keywords of a tokenizer that a call may use, each with what it may be; others change the shape of its answer."""


class TextEncoder:
    """A tokenizer that several threads may use.

    `max_tokens` is how many tokens the model has positions for, special tokens included; None where it has no limit.
    """

    def __init__(self, tokenizer: Any, max_tokens: int | None) -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()
        self._is_plain = is_plain(tokenizer)
        self.max_tokens = max_tokens

    @contextmanager
    def borrow(self) -> Iterator[Any]:
        """The tokenizer, to the exclusion of every other thread."""
        with self._lock:
            yield self._tokenizer

    def encode(
        self,
        texts: Sequence[str],
        fields: Sequence[str],
        options: Mapping[str, Any],
        pairs: Sequence[str] | None = None,
    ) -> list[Row]:
        """The model's inputs for each text: int64 arrays of shape (tokens,) by the names that the model takes.

        `fields` are the paths of the texts in the request, `options` keyword arguments of the tokenizer's call, `pairs`
        the second texts. Raises InvalidInput for a text without tokens or longer than the model reads,
        UnsupportedParameter for an option that the tokenizer does not take.
        """
        with self.borrow() as tokenizer:
            rows = self._encode(tokenizer, texts, pairs, self._call_options(options))
        for field, row in zip(fields, rows, strict=True):
            self.check_length(field, len(row["input_ids"]))
        return rows

    def _encode(self, tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, options: Any) -> list[Row]:
        encode = fast_rows if self._is_plain and options.keys() <= TRUNCATION else _wrapped_rows
        try:
            return encode(tokenizer, texts, pairs, options)
        except Exception:
            # Fast tokenizers raise no narrower class for a truncation that leaves nothing; their words name paths here.
            raise UnsupportedParameter.at("parameters", "the tokenizer can't encode the texts with these") from None

    def _call_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The caller's options; a truncation with no length to cut at cuts at what the model reads."""
        check_options(options)
        longest = self.max_tokens or _LONGEST_PADDING
        if options.get("padding") == "max_length" and (options.get("max_length") or 0) > longest:
            raise InvalidInput.at("parameters.max_length", f"is {options['max_length']}; texts are padded to {longest}")
        call = {key: value for key, value in options.items() if key not in ("return_tensors", "padding")}
        # Padding to the longest is the batcher's business; only a fixed length is part of what the model reads.
        if options.get("padding") == "max_length":
            call["padding"] = "max_length"
        unlimited = self._tokenizer.model_max_length > (self.max_tokens or _UNLIMITED)
        if call.get("truncation") and call.get("max_length") is None and unlimited and self.max_tokens:
            call["max_length"] = self.max_tokens
        return call

    def check_length(self, field: str, tokens: int) -> None:
        """Raises InvalidInput for a text of more tokens than the model reads, or of none."""
        if not tokens:
            raise InvalidInput.at(field, "has no tokens that the model could read: leave it out")
        if self.max_tokens is not None and tokens > self.max_tokens:
            advice = "shorten the text, or set parameters.truncation to true"
            raise InvalidInput.at(field, f"has {tokens} tokens; the model reads {self.max_tokens}: {advice}")


def _wrapped_rows(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, options: Mapping[str, Any]
) -> list[Row]:
    encoded = tokenizer(list(texts), text_pair=pairs, **options)
    return [as_row({name: encoded[name][index] for name in encoded}) for index in range(len(texts))]


def check_options(options: Mapping[str, Any]) -> None:
    """Raises UnsupportedParameter for options that are not taken, InvalidInput for values that they can't have."""
    unknown = [key for key in options if key not in _OPTIONS]
    if unknown:
        raise UnsupportedParameter(
            *(Violation(f"parameters.{key}", "the tokenizer does not take it") for key in unknown)
        )
    wrong = [key for key, given in options.items() if given is not None and not _OPTIONS[key](given)]
    if wrong:
        raise InvalidInput(*(Violation(f"parameters.{key}", f"can't be {options[key]!r:.80}") for key in wrong))


_POSITIONS = ("position_embeddings", "wpe", "embed_positions")
"""How the modules are called that hold a table of positions."""


def has_position_table(model: Any) -> bool:
    """Whether a torch model looks its positions up in a table, and does not compute them."""
    return any(name.rpartition(".")[0].endswith(_POSITIONS) for name, _ in model.named_parameters())


def max_positions(model: Any) -> int | None:
    """How many tokens a torch model has positions for; None where its positions have no end.

    A position table with a padding entry (RoBERTa and its kin) counts from the entry after it.
    """
    from torch import nn

    limits = [getattr(model.config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        if name.endswith(_POSITIONS) and isinstance(module, nn.Embedding):
            offset = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(int(module.num_embeddings) - max(offset, getattr(module, "offset", 0)))
    # Models with relative positions say -1, or nothing.
    return min((limit for limit in limits if limit is not None and limit > 0), default=None)
