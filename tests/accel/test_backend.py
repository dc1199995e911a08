"""A batch is run as its items are."""

import numpy as np

from savor.flavor import generation
from savor.flavor.item import Forward, Item, step
from tests.accel.batches import batch

ARRAYS = {"input_ids": np.zeros(1, np.int64)}


def test_a_batch_runs_as_its_items_do() -> None:
    run = step({"a": 1})
    assert batch(Item(ARRAYS, 1, run), Item(ARRAYS, 1, run)).run == run


def test_only_generations_have_steps() -> None:
    assert batch(Item(ARRAYS, 1, generation.run({}))).generates
    assert not batch(Item(ARRAYS, 1, Forward())).generates
