"""Logits to probabilities."""

import numpy as np

from savor.flavor.item import Array


def softmax(logits: Array) -> Array:
    """Probabilities over the last axis, float32."""
    wide = logits.astype(np.float32, copy=False)
    # The methods `max` and `sum` take several times as long for a few labels, by way of Python.
    powers = np.exp(wide - np.maximum.reduce(wide, axis=-1, keepdims=True))
    return np.asarray(powers / np.add.reduce(powers, axis=-1, keepdims=True))
