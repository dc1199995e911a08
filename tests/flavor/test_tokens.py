"""Encoded texts as items, and how long they may be."""

from types import SimpleNamespace

import numpy as np
import pytest

from savor.flavor.item import Forward
from savor.flavor.tokens import item, longest


def test_texts_of_all_lengths_share_batches_where_a_mask_hides_the_padding() -> None:
    one, other = (item({"input_ids": np.ones(n), "attention_mask": np.ones(n)}, Forward()) for n in (2, 3))
    assert [one.length, other.length] == [2, 3]
    assert one.alike == other.alike


def test_texts_of_one_length_alone_do_where_there_is_no_mask() -> None:
    one, same, other = (item({"input_ids": np.ones(n)}, Forward()) for n in (2, 2, 3))
    assert one.alike == same.alike != other.alike


def test_other_arrays_are_another_batch() -> None:
    masked = {"input_ids": np.ones(2), "attention_mask": np.ones(2)}
    assert item(masked, Forward()).alike != item({**masked, "token_type_ids": np.ones(2)}, Forward()).alike


@pytest.mark.parametrize(
    ("own", "positions", "expected"),
    [
        pytest.param(64, 512, 64, id="the tokenizer's"),
        pytest.param(512, 64, 64, id="the model's"),
        pytest.param(int(1e30), 64, 64, id="the model's alone"),
        pytest.param(64, None, 64, id="the tokenizer's alone"),
        pytest.param(int(1e30), None, None, id="no limit"),
    ],
)
def test_the_limit(own: int, positions: int | None, expected: int | None) -> None:
    assert longest(SimpleNamespace(model_max_length=own), positions) == expected
