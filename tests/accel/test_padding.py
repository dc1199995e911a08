"""Items to arrays and back: nothing of an item is lost, and nothing of the padding stays."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savor.accel.padding import pad_values, stack, unpad
from savor.flavor.item import Forward, Item
from tests import tiny_pipelines

_LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def _item(length: int, **arrays: Any) -> Item:
    return Item(arrays, length, Forward())


def _numbered(lengths: list[int]) -> list[Item]:
    """Items whose arrays tell them apart: tokens, a mask, vectors, and something that is not per token."""
    return [
        _item(
            length,
            input_ids=np.arange(length) + 100 * index,
            attention_mask=np.ones(length, np.int64),
            vectors=np.full((length, 3), index, np.float32),
            whole=np.full((10, 2), index),
            number=np.array(index),
        )
        for index, length in enumerate(lengths)
    ]


@given(_LENGTHS, st.booleans())
def test_every_item_is_in_its_row(lengths: list[int], left: bool) -> None:
    items, longest = _numbered(lengths), max(lengths)
    arrays = stack(items, {"input_ids": 7}, left=left)
    for index, item in enumerate(items):
        real = slice(longest - item.length, None) if left else slice(0, item.length)
        for name in ("input_ids", "attention_mask", "vectors"):
            np.testing.assert_array_equal(arrays[name][index][real], item.arrays[name])
        padding = np.delete(np.arange(longest), np.arange(longest)[real])
        assert (arrays["input_ids"][index][padding] == 7).all()
        assert (arrays["attention_mask"][index][padding] == 0).all()
        assert (arrays["vectors"][index][padding] == 0).all()


@given(_LENGTHS)
def test_what_is_not_per_token_is_left_as_it_is(lengths: list[int]) -> None:
    items = _numbered(lengths)
    arrays = stack(items, {"whole": 7, "number": 7})
    assert arrays["whole"].shape == (len(items), 10, 2)
    assert arrays["number"].tolist() == list(range(len(items)))
    assert [row[0, 0] for row in arrays["whole"]] == list(range(len(items)))


@given(_LENGTHS)
def test_shapes_and_types(lengths: list[int]) -> None:
    items = _numbered(lengths)
    arrays = stack(items, {})
    assert arrays.keys() == items[0].arrays.keys()
    assert arrays["input_ids"].shape == (len(items), max(lengths))
    assert {name: array.dtype for name, array in arrays.items()} == {
        name: array.dtype for name, array in items[0].arrays.items()
    }


@given(_LENGTHS)
def test_there_and_back(lengths: list[int]) -> None:
    items = _numbered(lengths)
    for row, item in zip(unpad(stack(items, {})["vectors"], items), items, strict=True):
        np.testing.assert_array_equal(row, item.arrays["vectors"])


OUTPUTS = [
    pytest.param((2, 5, 4), [(3, 4), (5, 4)], id="a vector for each token"),
    pytest.param((2, 5, 4, 6), [(3, 4, 6), (5, 4, 6)], id="a matrix for each token"),
    pytest.param((2, 4), [(4,), (4,)], id="a vector for each item"),
    pytest.param((2, 5), [(3,), (5,)], id="a number for each token"),
    pytest.param((2, 4, 5), [(4, 5), (4, 5)], id="a matrix for each item"),
    pytest.param((2,), [(), ()], id="a number for each item"),
]


@pytest.mark.parametrize(("shape", "expected"), OUTPUTS)
def test_only_positions_that_padding_added_are_cut(shape: tuple[int, ...], expected: list[tuple[int, ...]]) -> None:
    items = [_item(3, input_ids=np.zeros(3)), _item(5, input_ids=np.zeros(5))]
    output = np.arange(np.prod(shape)).reshape(shape)
    rows = unpad(output, items)
    assert [row.shape for row in rows] == expected
    for row, whole in zip(rows, output, strict=True):
        np.testing.assert_array_equal(row, whole[: len(row)] if row.ndim else whole)


def test_padding_values_are_the_tokenizers() -> None:
    assert pad_values(tiny_pipelines.tokenizer(bert=True), None) == {"input_ids": 0, "token_type_ids": 0}
    assert pad_values(tiny_pipelines.ctc_recognizer().tokenizer, None)["input_ids"] == 0


def test_without_a_padding_token_any_will_do() -> None:
    assert tiny_pipelines.tokenizer(bert=False).pad_token_id is None
    assert pad_values(tiny_pipelines.tokenizer(bert=False), None)["input_ids"] == 0


def test_without_a_tokenizer_there_is_nothing_to_pad_with() -> None:
    assert pad_values(None, None) == {}


def test_a_models_own_padding_token_comes_first() -> None:
    """It is what a model that looks for padding looks for."""
    assert pad_values(tiny_pipelines.tokenizer(bert=True), 599)["input_ids"] == 599
