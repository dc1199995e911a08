"""Logits to probabilities as torch makes them."""

from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from savor.flavor.scores import softmax

LOGITS = arrays(np.float32, array_shapes(max_dims=3, max_side=4), elements=st.floats(-(2.0**99), 2.0**99, width=32))


@given(LOGITS)
def test_softmax_is_torchs(logits: Any) -> None:
    scores = softmax(logits)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, torch.from_numpy(logits).softmax(-1).numpy(), atol=1e-6)


def test_doubles_become_singles() -> None:
    assert softmax(np.zeros(2, np.float64)).dtype == np.float32
