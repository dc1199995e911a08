"""Questions with their texts, cut into overlapping windows that a model reads one by one.

The windows are those of transformers' QuestionAnsweringPipeline. What would make its tokenizer fail or panic, and what
would come to too many windows, is refused before it cuts anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.item import Array, Row, as_row

_MAX_WINDOWS = 2048
_LONGEST_WINDOW = 4096
"""Tokens of a window at most: every pair of its tokens is a candidate for the answer."""


@dataclass(frozen=True)
class Window:
    """A piece of a text with its question: the model's inputs, and what finds an answer's place in the text.

    `unanswerable` (bool) and `attention` (int64) have the shape (1, tokens).
    """

    row: Row
    unanswerable: Array
    attention: Array
    encoding: Any
    """A `tokenizers.Encoding`."""


@dataclass(frozen=True)
class Reading:
    """A text in its windows."""

    context: str
    windows: tuple[Window, ...]


def read(pairs: Sequence[tuple[str, str]], options: Mapping[str, Any], artifact: Artifact) -> tuple[Reading, ...]:
    """The windows of each question and its text; `options` are the pipeline's.

    Raises InvalidInput where a window has no room for the text, or where all come to too many.
    """
    assert artifact.encoder is not None
    longest = min(artifact.encoder.max_tokens or _LONGEST_WINDOW, _LONGEST_WINDOW)
    with artifact.encoder.borrow() as tokenizer:
        lengths = _lengths(pairs, tokenizer)
        cut = _Cut(
            options.get("max_seq_len") or min(tokenizer.model_max_length, 384, longest),
            options.get("doc_stride"),
            tokenizer.num_special_tokens_to_add(pair=True),
        )
        cut.check(lengths, longest)
        strides = [cut.stride(index, *length) for index, length in enumerate(lengths)]
        _check_count(sum(cut.windows(*length, stride) for length, stride in zip(lengths, strides, strict=True)))
        return tuple(
            Reading(pair[1], _windows(pair, cut.max_seq_len, stride, artifact.pipeline))
            for pair, stride in zip(pairs, strides, strict=True)
        )


def _lengths(pairs: Sequence[tuple[str, str]], tokenizer: Any) -> list[tuple[int, int]]:
    """The tokens of each question and each text."""
    texts = [text for pair in pairs for text in pair]
    counts = [len(ids) for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]
    return list(zip(counts[::2], counts[1::2], strict=True))


def _check_count(windows: int) -> None:
    if windows > _MAX_WINDOWS:
        advice = "give fewer or shorter texts, or less parameters.doc_stride"
        raise InvalidInput.at("inputs", f"come to {windows:,} windows; a call may have {_MAX_WINDOWS:,}: {advice}")


def _windows(pair: tuple[str, str], max_seq_len: int, doc_stride: int, pipeline: Any) -> tuple[Window, ...]:
    question, context = pair
    features = pipeline.preprocess(
        {"question": question, "context": context}, max_seq_len=max_seq_len, doc_stride=doc_stride
    )
    return tuple(_window(feature, pipeline.tokenizer.model_input_names) for feature in features)


def _window(feature: Mapping[str, Any], names: Sequence[str]) -> Window:
    row = as_row({name: feature[name][0] for name in names})
    attention = row.get("attention_mask", np.ones_like(row["input_ids"]))
    return Window(row, np.asarray(feature["p_mask"]), attention[None], feature["encoding"])


@dataclass(frozen=True)
class _Cut:
    """How texts are cut, in tokens. `doc_stride` is what windows are asked to share, None for transformers' default."""

    max_seq_len: int
    doc_stride: int | None
    special: int
    """Tokens of every window that are neither the question's nor the text's."""

    def check(self, lengths: Sequence[tuple[int, int]], longest: int) -> None:
        """Raises InvalidInput where a window would be longer than what can be read."""
        if max(min(self.max_seq_len, sum(length) + self.special) for length in lengths) > longest:
            problem = f"is {self.max_seq_len}; the model reads {longest} tokens at once: give less"
            raise InvalidInput.at("parameters.max_seq_len", problem)

    def stride(self, index: int, question: int, context: int) -> int:
        """How many tokens neighbouring windows of a text share. Raises InvalidInput where no new ones would follow.

        The tokenizer itself panics there.
        """
        room = self._room(question)
        if context <= room:
            return 0
        if room < 1:
            problem = f"has {question} tokens, which leaves no room for the context in windows of {self.max_seq_len}"
            raise InvalidInput.at(f"inputs[{index}].question", f"{problem}: shorten it, or raise max_seq_len")
        if self.doc_stride is None:
            usual = min(self.max_seq_len // 2, 128)
            return usual if usual < room else room // 2
        if self.doc_stride >= room:
            problem = f"is {self.doc_stride}; a window has {room} tokens beside the question of inputs[{index}]"
            raise InvalidInput.at("parameters.doc_stride", f"{problem}, and must have new ones: give less")
        return self.doc_stride

    def windows(self, question: int, context: int, stride: int) -> int:
        """How many windows a text comes to, at the stride that this question needs."""
        room = self._room(question)
        return 1 if context <= room else -(-(context - stride) // (room - stride))

    def _room(self, question: int) -> int:
        return self.max_seq_len - question - self.special
