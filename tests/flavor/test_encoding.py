"""Texts to tokens: the model's own length as the limit, whatever its positions are called, and one thread at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import AutoModel

from savor.flavor.encoding import TextEncoder, check_options, max_positions
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from tests import tiny_pipelines

LONG = "word " * 200
COUNT = len(tiny_pipelines.tokenizer(bert=True)(LONG)["input_ids"])


def _encoder(max_tokens: int | None = None, **tokenizer: Any) -> TextEncoder:
    """An encoder whose tokenizer says no length of its own, unless told to."""
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tiny_pipelines.tokenizer(bert=True).backend_tokenizer,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        **tokenizer,
    )
    return TextEncoder(made, max_tokens)


def test_rows_are_int64_by_the_names_of_the_model() -> None:
    rows = _encoder().encode(["one text", "longer: another text"], ["inputs[0]", "inputs[1]"], {})
    expected = [tiny_pipelines.tokenizer(bert=True)(text) for text in ("one text", "longer: another text")]
    for row, tokens in zip(rows, expected, strict=True):
        assert row.keys() == tokens.keys()
        assert {array.dtype for array in row.values()} == {np.dtype("int64")}
        assert {name: array.tolist() for name, array in row.items()} == dict(tokens)


def test_pairs() -> None:
    row = _encoder().encode(["one"], ["inputs[0]"], {}, ["two"])[0]
    assert row["input_ids"].tolist() == tiny_pipelines.tokenizer(bert=True)("one", "two")["input_ids"]
    assert set(row["token_type_ids"].tolist()) == {0, 1}


def test_a_text_that_just_fits() -> None:
    assert len(_encoder(COUNT).encode([LONG], ["inputs[0]"], {})[0]["input_ids"]) == COUNT


def test_a_text_longer_than_the_model_reads_is_refused_with_its_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        _encoder(COUNT - 1).encode(["a", LONG], ["inputs[0].text", "inputs[1].text"], {})
    [violation] = caught.value.violations
    assert violation.field == "inputs[1].text"
    assert f"has {COUNT} tokens; the model reads {COUNT - 1}" in violation.problem


def test_a_text_without_tokens_is_refused_with_its_field() -> None:
    encoder = TextEncoder(tiny_pipelines.tokenizer(bert=False), None)
    with pytest.raises(InvalidInput, match="has no tokens") as caught:
        encoder.encode(["a", ""], ["inputs[0].text", "inputs[1].text"], {})
    assert [violation.field for violation in caught.value.violations] == ["inputs[1].text"]


def test_a_model_without_a_limit_reads_everything() -> None:
    assert len(_encoder(None).encode([LONG], ["inputs[0]"], {})[0]["input_ids"]) == COUNT


CUT = [
    pytest.param({}, {"truncation": True}, 16, id="at what the model reads"),
    pytest.param({"model_max_length": 8}, {"truncation": True}, 8, id="at what the tokenizer says, where that is less"),
    pytest.param({"model_max_length": 512}, {"truncation": True}, 16, id="at what the model reads, where that is less"),
    pytest.param({}, {"truncation": True, "max_length": 5}, 5, id="at the length of the call"),
    pytest.param({}, {"max_length": 5}, 5, id="at a length alone, as transformers does"),
    pytest.param({}, {"truncation": "only_first"}, 16, id="by a strategy"),
]


@pytest.mark.parametrize(("tokenizer", "options", "tokens"), CUT)
def test_truncation_cuts(tokenizer: dict[str, Any], options: dict[str, Any], tokens: int) -> None:
    row = _encoder(16, **tokenizer).encode([LONG], ["inputs[0]"], options)[0]
    assert len(row["input_ids"]) == tokens
    assert row["input_ids"][-1] == tiny_pipelines.tokenizer(bert=True).sep_token_id


def test_without_truncation_nothing_is_cut() -> None:
    with pytest.raises(InvalidInput):
        _encoder(16).encode([LONG], ["inputs[0]"], {"truncation": False})


def test_truncation_to_more_than_the_model_reads_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has 20 tokens; the model reads 16"):
        _encoder(16).encode([LONG], ["inputs[0]"], {"truncation": True, "max_length": 20})


def test_padding_to_a_fixed_length_is_part_of_what_the_model_reads() -> None:
    row = _encoder(64).encode(["a"], ["inputs[0]"], {"padding": "max_length", "max_length": 12})[0]
    assert len(row["input_ids"]) == 12
    assert row["attention_mask"].sum() < 12


@pytest.mark.parametrize("padding", [True, "longest"], ids=str)
def test_padding_to_the_longest_is_the_batchers_business(padding: Any) -> None:
    rows = _encoder(64).encode(["a", "a longer text"], ["inputs[0]", "inputs[1]"], {"padding": padding})
    assert len(rows[0]["input_ids"]) < len(rows[1]["input_ids"])


@pytest.mark.parametrize("kind", ["pt", "tf", "nonsense"])
def test_return_tensors_changes_nothing(kind: str) -> None:
    assert isinstance(_encoder().encode(["a"], ["inputs[0]"], {"return_tensors": kind})[0]["input_ids"], np.ndarray)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"truncation": "sometimes"}, id="a strategy that there is not"),
        pytest.param({"truncation": True, "max_length": "long"}, id="a length that is text"),
        pytest.param({"text_pair": ["x"]}, id="an argument that the encoder sets itself"),
    ],
)
def test_what_the_tokenizer_does_not_take_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"parameters\."):
        _encoder(16).encode(["a"], ["inputs[0]"], options)


@pytest.mark.parametrize("option", [{}, {"return_attention_mask": True}], ids=["the fast way", "the wrapper's"])
def test_a_truncation_that_leaves_nothing_of_a_text_is_refused(option: dict[str, Any]) -> None:
    options = {"truncation": "only_first", "max_length": 8, **option}
    with pytest.raises(UnsupportedParameter, match="can't encode"):
        _encoder(64).encode(["a"], ["inputs[0]"], options, [LONG])


TAKEN: dict[str, list[Any]] = {
    "truncation": [True, False, "longest_first", "only_first", "only_second", "do_not_truncate", None],
    "padding": [True, False, "longest", "max_length", "do_not_pad", None],
    "max_length": [1, 512, None],
    "add_special_tokens": [True, False, None],
    "return_attention_mask": [True, False],
    "return_token_type_ids": [True, False],
}
NOT_TAKEN: dict[str, list[Any]] = {
    "truncation": ["sometimes", 2, [True], {}],
    "padding": ["wide", 3],
    "max_length": [0, -1, 1.5, True, "long", [5]],
    "add_special_tokens": ["yes", 1],
    "return_attention_mask": ["no"],
    "return_token_type_ids": [0],
}


def _cases(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(key, value, id=f"{key}={value!r}") for key, values in table.items() for value in values]


@pytest.mark.parametrize(("key", "value"), _cases(TAKEN))
def test_options_that_a_tokenizer_takes(key: str, value: Any) -> None:
    check_options({key: value})


@pytest.mark.parametrize(("key", "value"), _cases(NOT_TAKEN))
def test_values_that_an_option_can_not_have_are_named(key: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_options({key: value})
    assert [violation.field for violation in caught.value.violations] == [f"parameters.{key}"]
    assert repr(value) in str(caught.value)


RESHAPING = ["return_overflowing_tokens", "return_offsets_mapping", "return_length", "is_split_into_words", "stride"]


def test_options_that_change_the_shape_of_the_answer_are_refused_at_once() -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        check_options(dict.fromkeys(RESHAPING, True))
    assert [violation.field for violation in caught.value.violations] == [f"parameters.{key}" for key in RESHAPING]


@pytest.mark.parametrize("max_tokens", [64, None], ids=["the model's limit", "none"])
def test_padding_has_its_bound(max_tokens: int | None) -> None:
    with pytest.raises(InvalidInput, match=r"parameters\.max_length"):
        _encoder(max_tokens).encode(["a"], ["inputs[0]"], {"padding": "max_length", "max_length": 10**9})


def test_truncation_of_one_caller_is_not_seen_by_another() -> None:
    """A fast tokenizer keeps truncation as state, and complains when threads change it under each other."""
    encoder = _encoder(512)

    def encode(cut: bool) -> int:
        options = {"truncation": True, "max_length": 4} if cut else {}
        return len(encoder.encode(["one two three four five"], ["inputs[0]"], options)[0]["input_ids"])

    with ThreadPoolExecutor(4) as threads:
        lengths = list(threads.map(encode, [index % 2 == 0 for index in range(200)]))
    whole = encode(False)
    assert whole > 4
    assert lengths == [4, whole] * 100


def test_who_borrows_the_tokenizer_has_it_alone() -> None:
    encoder = _encoder()
    encoded = threading.Event()
    with encoder.borrow() as tokenizer:
        thread = threading.Thread(target=lambda: (encoder.encode(["a"], ["f"], {}), encoded.set()))
        thread.start()
        assert not encoded.wait(0.05)
        assert tokenizer("a")["input_ids"]
    thread.join(10)
    assert encoded.is_set()


_SMALL = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 20,
}
_GPT = {"vocab_size": 100, "n_positions": 20, "n_embd": 32, "n_layer": 1, "n_head": 2}
_XLM = {"vocab_size": 100, "max_position_embeddings": 20, "emb_dim": 32, "n_layers": 1, "n_heads": 2}
_BART = {
    **{"vocab_size": 100, "max_position_embeddings": 20, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1},
    **{"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32},
}

# The configuration of each architecture, and how many tokens its positions are for.
ARCHITECTURES: dict[str, tuple[dict[str, Any], int]] = {
    "Bert": (_SMALL, 20),
    "Electra": ({**_SMALL, "embedding_size": 32}, 20),
    "Albert": ({**_SMALL, "embedding_size": 32}, 20),
    "DistilBert": (
        {"vocab_size": 100, "max_position_embeddings": 20, "dim": 32, "n_heads": 2, "n_layers": 1, "hidden_dim": 32},
        20,
    ),
    "DebertaV2": (_SMALL, 20),
    "Roberta": ({**_SMALL, "pad_token_id": 1}, 18),
    "XLMRoberta": ({**_SMALL, "pad_token_id": 1}, 18),
    "MPNet": (_SMALL, 18),
    "Esm": ({**_SMALL, "pad_token_id": 1, "position_embedding_type": "absolute"}, 18),
    "Nystromformer": ({**_SMALL, "num_landmarks": 20, "segment_means_seq_len": 20}, 20),
    "XLM": (_XLM, 20),
    "GPT2": (_GPT, 20),
    "OPT": ({**_SMALL, "ffn_dim": 32, "word_embed_proj_dim": 32}, 20),
    "Bart": (_BART, 20),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_model_reads_exactly_as_many_tokens_as_it_has_positions_for(name: str) -> None:
    settings, expected = ARCHITECTURES[name]
    model = AutoModel.from_config(getattr(transformers, f"{name}Config")(**settings)).eval()
    limit = max_positions(model)
    assert limit == expected
    with torch.no_grad():
        model(input_ids=torch.full((1, limit), 5))
        with pytest.raises((IndexError, RuntimeError, ValueError)):
            model(input_ids=torch.full((1, limit + 1), 5))


def test_robertas_514_positions_are_512_tokens() -> None:
    config = transformers.RobertaConfig(**{**_SMALL, "max_position_embeddings": 514}, pad_token_id=1)
    assert max_positions(AutoModel.from_config(config)) == 512


UNLIMITED: dict[str, dict[str, Any]] = {
    "Bloom": {"vocab_size": 100, "hidden_size": 32, "n_layer": 1, "n_head": 2},
    "T5": {"vocab_size": 100, "d_model": 32, "d_kv": 16, "num_layers": 1, "num_heads": 2, "d_ff": 32},
    "XLNet": {"vocab_size": 100, "d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 32},
}


@pytest.mark.parametrize("name", UNLIMITED)
def test_a_model_with_relative_positions_has_no_limit(name: str) -> None:
    model = AutoModel.from_config(getattr(transformers, f"{name}Config")(**UNLIMITED[name]))
    assert max_positions(model) is None


def test_rotating_positions_end_where_the_configuration_says() -> None:
    config = transformers.LlamaConfig(**_SMALL)
    assert max_positions(AutoModel.from_config(config)) == 20
