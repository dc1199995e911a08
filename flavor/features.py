"""What a processor makes of one recording or image, as the row that the model reads: real numbers are float32.

numpy has no bfloat16; the backend brings the numbers into the model's own type.
"""

from collections.abc import Collection, Hashable, Mapping
from typing import Any

from savor.flavor.item import Row, as_row


def row(processed: Mapping[str, Any], names: Collection[str] | None = None) -> Row:
    """The first of a processor's batch: tensors of shape (1, …) by name, those of `names` alone where given."""
    wanted = processed.keys() if names is None else [name for name in names if name in processed]
    return as_row({name: _widened(processed[name][0]) for name in wanted})


def shapes(row: Row) -> Hashable:
    """What must be equal for rows to share a batch unpadded: padding changes what such models see and hear."""
    return tuple((name, array.shape) for name, array in row.items())


def _widened(tensor: Any) -> Any:
    return tensor.float() if tensor.is_floating_point() else tensor
