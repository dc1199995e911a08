"""Words to single tokens of a model's vocabulary, as transformers' FillMaskPipeline finds its targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from savor.flavor.encoding import TextEncoder
from savor.flavor.errors import InvalidInput
from savor.flavor.item import Array


def single_tokens(words: Sequence[str], field: str, encoder: TextEncoder) -> tuple[Array, tuple[str, ...]]:
    """The ids of the words, each once, and a warning for each word that is no token.

    `field` is the path of the words in the request. Raises InvalidInput where not one of them stands for a token.
    """
    with encoder.borrow() as tokenizer:
        vocabulary = tokenizer.get_vocab()
        found = [_find(word, f"{field}[{index}]", vocabulary, tokenizer) for index, word in enumerate(words)]
    ids = [token for token, _ in found if token is not None]
    if not ids:
        raise InvalidInput.at(field, "holds no token of the model's vocabulary")
    return np.unique(ids), tuple(warning for _, warning in found if warning)


def _find(word: str, place: str, vocabulary: Mapping[str, int], tokenizer: Any) -> tuple[int | None, str]:
    if word in vocabulary:
        return vocabulary[word], ""
    parts = tokenizer(word, add_special_tokens=False, max_length=1, truncation=True)["input_ids"]
    problem = f"{place}: {word!r:.80} is no token of the model's vocabulary"
    if not parts:
        return None, f"{problem} and was left out"
    return parts[0], f"{problem}; its first part, {tokenizer.convert_ids_to_tokens(parts[0])!r}, stands for it"
