"""Logits to probabilities."""

import numpy as np

from savor.flavor.item import Array


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis, float32."""
    wide = logits.astype(np.float32, copy=False)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
