"""Dense arrays as they come over the wire: little-endian bytes in row-major order, turned into numbers when asked."""

import array
import enum
import importlib
import math
import sys
from dataclasses import dataclass
from typing import Any


class DataType(enum.StrEnum):
    """The type of a tensor's elements."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    INT64 = "int64"


_ARRAY_CODES = {DataType.FLOAT32: "f", DataType.FLOAT64: "d", DataType.INT64: "q"}


@dataclass(frozen=True)
class Tensor:
    """A dense array: `shape` outermost dimension first, `data` the elements as little-endian bytes in C order."""

    dtype: DataType | None = None
    shape: tuple[int, ...] = ()
    data: bytes = b""

    def to_list(self) -> Any:
        """The elements, float or int, as nested lists with a level for each dimension; a bare number without any.

        Raises ValueError where the bytes don't fill the shape.
        """
        elements = array.array(_ARRAY_CODES[self._known_dtype()])
        elements.frombytes(self.data)
        if sys.byteorder == "big":
            elements.byteswap()
        if len(elements) != math.prod(self.shape):
            raise ValueError(f"{len(elements)} elements don't fill the shape {self.shape}")
        return _nested(elements.tolist(), self.shape)

    def to_numpy(self) -> Any:
        """The elements as a numpy.ndarray, a read-only view of `data`.

        Raises ImportError where numpy is not installed (the client does not need it otherwise), and ValueError where
        the bytes don't fill the shape.
        """
        numpy = importlib.import_module("numpy")
        dtype = numpy.dtype(self._known_dtype().value).newbyteorder("<")
        return numpy.frombuffer(self.data, dtype=dtype).reshape(self.shape)

    def _known_dtype(self) -> DataType:
        if self.dtype is None:
            raise ValueError("the tensor has no dtype")
        return self.dtype


def _nested(elements: list[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return elements[0]
    if len(shape) == 1:
        return elements
    width = math.prod(shape[1:])
    return [_nested(elements[row * width : (row + 1) * width], shape[1:]) for row in range(shape[0])]
