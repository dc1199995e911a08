"""The fast way to tokens gives what transformers' wrapper gives, for every kind of tokenizer that may take it."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from savor.flavor.encoding import TextEncoder
from savor.flavor.fast_tokens import fast_rows, is_plain
from savor.flavor.item import Row
from tests import tiny_pipelines

TEXTS = (
    "A plain sentence, with a stop.",
    "Grüße aus München — 東京 🙂 [SEP] <unk>",
    "short",
    "many words of one kind " * 20,
)


def _byte_level(names: Sequence[str] = ("input_ids", "attention_mask"), **settings: Any) -> Any:
    """A tokenizer as GPT-2's: no special tokens of its own, and no types of tokens unless they are named."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, model_input_names=list(names), **settings)


def _typed(**settings: Any) -> Any:
    """A tokenizer as XLNet's: special tokens at the end, with types of their own."""
    made = Tokenizer(models.WordPiece(unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<unk>", "<sep>", "<cls>"]
    made.train_from_iterator(
        TEXTS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    )
    made.post_processor = processors.TemplateProcessing(
        single="$A:0 <sep>:0 <cls>:2",
        pair="$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2",
        special_tokens=[(token, made.token_to_id(token)) for token in special],
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", sep_token="<sep>", **settings)


PLAIN: Mapping[str, Any] = {
    "word pieces": lambda: tiny_pipelines.tokenizer(bert=True),
    "bytes": _byte_level,
    "bytes, with types": lambda: _byte_level(("input_ids", "token_type_ids", "attention_mask")),
    "bytes, with a limit": lambda: _byte_level(model_max_length=9),
    "cut on the left": lambda: _byte_level(truncation_side="left", model_max_length=9),
    "types of its own": _typed,
    "a class of its own": lambda: transformers.XLNetTokenizerFast(tokenizer_object=_typed().backend_tokenizer),
    "special tokens split": lambda: _typed(split_special_tokens=True),
}

CALLS: Sequence[dict[str, Any]] = (
    {},
    {"truncation": True},
    {"truncation": True, "max_length": 7},
    {"truncation": "only_first", "max_length": 8},
    {"truncation": "longest_first", "max_length": 8},
    {"max_length": 7},
    {"truncation": False},
    {"truncation": None, "max_length": None},
)


def _wrapped(tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, call: Mapping[str, Any]) -> list[Row]:
    encoded = tokenizer(list(texts), text_pair=pairs, **call)
    return [{name: encoded[name][index] for name in encoded} for index in range(len(texts))]


def _assert_equal(rows: Sequence[Row], expected: Sequence[Row]) -> None:
    assert [list(row) for row in rows] == [list(row) for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert {array.dtype for array in row.values()} == {np.dtype("int64")}
        assert {name: array.tolist() for name, array in row.items()} == other


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("pairs", [None, ("another", "", "[MASK] one", "short")], ids=["texts", "pairs"])
@pytest.mark.parametrize("kind", PLAIN)
def test_it_gives_what_the_wrapper_gives(kind: str, pairs: Sequence[str] | None, call: dict[str, Any]) -> None:
    tokenizer = PLAIN[kind]()
    assert is_plain(tokenizer)
    # A copy, for no two trainings come to the same tokens.
    untouched = copy.deepcopy(tokenizer)
    if pairs and call.get("truncation") == "only_first":
        texts, pairs = TEXTS[3:], pairs[3:]
    else:
        texts = TEXTS
    _assert_equal(fast_rows(tokenizer, texts, pairs, call), _wrapped(untouched, texts, pairs, call))


@given(st.lists(st.text(), min_size=1, max_size=4), st.sampled_from(CALLS))
def test_it_does_for_any_text(texts: list[str], call: dict[str, Any]) -> None:
    tokenizer = tiny_pipelines.tokenizer(bert=True)
    _assert_equal(fast_rows(tokenizer, texts, None, call), _wrapped(tokenizer, texts, None, call))


def test_nothing_of_a_call_is_left_for_the_next() -> None:
    """Fast tokenizers keep truncation and padding as state, which the wrapper and the fast way both set."""
    tokenizer, untouched = (tiny_pipelines.tokenizer(bert=True) for _ in range(2))
    for call in (*CALLS, *reversed(CALLS)):
        tokenizer(list(TEXTS), padding="max_length", truncation=True, max_length=5)
        _assert_equal(fast_rows(tokenizer, TEXTS, None, call), _wrapped(untouched, TEXTS, None, call))
        assert tokenizer(TEXTS[3])["input_ids"] == untouched(TEXTS[3])["input_ids"]


class _Shouting(transformers.PreTrainedTokenizerFast):
    """A tokenizer that does something to its texts in Python, as models that bring their own code may."""

    def _batch_encode_plus(self, batch_text_or_text_pairs: Any, *arguments: Any, **options: Any) -> Any:
        return super()._batch_encode_plus([text.upper() for text in batch_text_or_text_pairs], *arguments, **options)


def test_a_tokenizer_that_is_called_in_a_way_of_its_own_keeps_it() -> None:
    plain = _byte_level()
    shouting = _Shouting(tokenizer_object=plain.backend_tokenizer, model_input_names=plain.model_input_names)
    assert not is_plain(shouting)
    [row] = TextEncoder(shouting, None).encode(["word"], ["inputs[0]"], {})
    assert row["input_ids"].tolist() == plain("WORD")["input_ids"] != plain("word")["input_ids"]


def test_a_slow_tokenizer_keeps_the_wrapper() -> None:
    slow = transformers.ByT5Tokenizer()
    assert not is_plain(slow)
    [row] = TextEncoder(slow, None).encode(["word"], ["inputs[0]"], {})
    assert row["input_ids"].tolist() == slow("word")["input_ids"]
