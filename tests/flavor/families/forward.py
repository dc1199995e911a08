"""Items through the model one by one, without any backend: the rows that decoding takes."""

from typing import Any

import torch

from savor.flavor.artifact import Artifact
from savor.flavor.item import Item, Prepared, Row


def rows(prepared: Prepared, artifact: Artifact) -> list[Row]:
    """The model's first output for each item."""
    return [{"output": _first(item, artifact.pipeline.model)[0].numpy()} for item in prepared.items]


def answer(prepared: Prepared, artifact: Artifact) -> Any:
    """The response."""
    return prepared.decode(rows(prepared, artifact))


def _first(item: Item, model: Any) -> torch.Tensor:
    with torch.no_grad():
        output: torch.Tensor = model(**{name: torch.from_numpy(array)[None] for name, array in item.arrays.items()})[0]
    return output
