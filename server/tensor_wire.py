"""Tensors of the Open Inference Protocol to arrays and back: every element accounted for, or the request is refused."""

import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from savor.flavor.errors import InvalidInput
from savor.flavor.item import Array
from savor.oip import open_inference_pb2 as pb

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(bool),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The field of InferTensorContents that holds the elements of a type; 16-bit numbers have none."""


def datatype(dtype: np.dtype[Any]) -> str:
    """What the protocol calls a type of numpy's."""
    return _NAMES[dtype.newbyteorder("<")]


def parameters(request: pb.ModelInferRequest) -> dict[str, Any]:
    """The request's parameters by name. Raises InvalidInput for one without a value."""
    return {name: _parameter(name, value) for name, value in request.parameters.items()}


def _parameter(name: str, value: pb.InferParameter) -> Any:
    kind = value.WhichOneof("parameter_choice")
    if kind is None:
        raise InvalidInput.at(f"parameters.{name}", "has no value")
    return getattr(value, kind)


def read(request: pb.ModelInferRequest) -> dict[str, Array]:
    """The input tensors by name. Raises InvalidInput for data that does not fit its shape."""
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        problem = f"has {len(raw)} entries for {len(request.inputs)} inputs"
        raise InvalidInput.at("raw_input_contents", problem)
    read: dict[str, Array] = {}
    for index, tensor in enumerate(request.inputs):
        if tensor.name in read:
            raise InvalidInput.at(f"inputs[{index}].name", f"{tensor.name!r:.80} is there twice")
        read[tensor.name] = _tensor(tensor, raw[index] if raw else None, f"inputs[{index}]")
    return read


def _tensor(tensor: pb.ModelInferRequest.InferInputTensor, raw: bytes | None, field: str) -> Array:
    if tensor.datatype not in _DTYPES:
        known = ", ".join(_DTYPES)
        raise InvalidInput.at(f"{field}.datatype", f"{tensor.datatype!r:.80} is not one of {known}")
    if not tensor.shape or min(tensor.shape) < 0:
        raise InvalidInput.at(f"{field}.shape", f"is {list(tensor.shape)}; give one or more sizes of 0 or more")
    flat = _typed(tensor, field) if raw is None else _raw(raw, tensor.datatype, field)
    expected = math.prod(tensor.shape)
    if len(flat) != expected:
        raise InvalidInput.at(f"{field}.shape", f"has {expected} elements, and {len(flat)} came")
    return flat.reshape(tuple(tensor.shape))


def _typed(tensor: pb.ModelInferRequest.InferInputTensor, field: str) -> Array:
    held = {descriptor.name for descriptor, _ in tensor.contents.ListFields()}
    wanted = _CONTENTS.get(tensor.datatype)
    if wanted is None:
        raise InvalidInput.at(f"{field}.contents", f"can't hold {tensor.datatype}: send it in raw_input_contents")
    if held - {wanted}:
        raise InvalidInput.at(f"{field}.contents", f"{tensor.datatype} belongs into {wanted}, not {held.pop()}")
    values, dtype = list(getattr(tensor.contents, wanted)), _DTYPES[tensor.datatype]
    if values and dtype.kind in "iu" and not (np.iinfo(dtype).min <= min(values) <= max(values) <= np.iinfo(dtype).max):
        raise InvalidInput.at(f"{field}.contents", f"holds a number beyond {tensor.datatype}")
    return _column(values, dtype)


def _raw(data: bytes, datatype: str, field: str) -> Array:
    dtype = _DTYPES[datatype]
    if datatype == "BYTES":
        return _column(_elements(data, field), dtype)
    if len(data) % dtype.itemsize:
        raise InvalidInput.at(field, f"{len(data)} bytes are no whole number of {datatype}")
    return np.frombuffer(data, dtype).copy()


def _column(values: list[Any], dtype: np.dtype[Any]) -> Array:
    column = np.empty(len(values), dtype)
    column[:] = values
    return column


def _elements(data: bytes, field: str) -> list[bytes]:
    """The elements of raw BYTES: each behind its length, 4 bytes."""
    elements, at = [], 0
    while at < len(data):
        end = at + 4 + (struct.unpack_from("<I", data, at)[0] if at + 4 <= len(data) else len(data))
        if end > len(data):
            raise InvalidInput.at(field, "the raw BYTES end within an element: each comes behind its length, 4 bytes")
        elements.append(data[at + 4 : end])
        at = end
    return elements


def response(outputs: Mapping[str, Array], request: pb.ModelInferRequest) -> pb.ModelInferResponse:
    """The outputs that were asked for, all where none was named."""
    for index, wanted in enumerate(request.outputs):
        if wanted.name not in outputs:
            raise InvalidInput.at(f"outputs[{index}].name", f"is not given; the model gave {', '.join(outputs)}")
    written = pb.ModelInferResponse()
    for name in [wanted.name for wanted in request.outputs] or outputs:
        array = outputs[name]
        written.outputs.add(name=name, datatype=datatype(array.dtype), shape=array.shape)
        written.raw_output_contents.append(_bytes(array))
    return written


def _bytes(array: Array) -> bytes:
    if array.dtype != object:
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return b"".join(struct.pack("<I", len(element)) + element for element in array.flat)
