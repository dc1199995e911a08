"""Named arrays to what MLflow's model takes, and its predictions to named arrays, by the names of the signature.

Texts and bytes are arrays of Python bytes (dtype object). What no array holds, such as a chat or a dict, is JSON text.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from savor.flavor import pyfunc
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.item import Array, Prepared, Row

INPUT, OUTPUT = "inputs", "predictions"
"""The names of what a signature leaves unnamed: MLflow's own words in JSON."""

_TEXT = np.dtype(object)
_COLUMN_TYPES = {"boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64"}


@dataclass(frozen=True)
class TensorSpec:
    """An array that a model takes or gives; -1 is a dimension of any size."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def inputs_of(artifact: Artifact) -> tuple[TensorSpec, ...]:
    """What the signature says that the model takes; nothing where it has none."""
    return _specs(getattr(artifact.saved.signature, "inputs", None), INPUT)


def outputs_of(artifact: Artifact) -> tuple[TensorSpec, ...]:
    """What the signature says that the model gives."""
    if artifact.saved.inference_task:
        # Its signature describes the fields of the objects that come back.
        return (TensorSpec(OUTPUT, _TEXT, (-1,)),)
    return _specs(getattr(artifact.saved.signature, "outputs", None), OUTPUT)


def prepare(tensors: Mapping[str, Array], params: Mapping[str, Any], artifact: Artifact) -> Prepared:
    """A call of MLflow's model with arrays, as one item; it decodes to arrays by name.

    Raises InvalidInput for arrays that are no columns of equal length, or not of the types that the signature has.
    """
    data, given = _data(tensors, artifact), _params(params, artifact)
    given_back = outputs_of(artifact)
    name = given_back[0].name if len(given_back) == 1 else OUTPUT

    def call() -> Row:
        return _named(pyfunc.refusing(INPUT, lambda: pyfunc.model(artifact).predict(data, params=given)), name)

    size = sum(array.nbytes if array.dtype != _TEXT else sum(map(len, array.flat)) for array in tensors.values())
    return Prepared((pyfunc.item(call, size),), lambda rows: rows[0])


def _specs(schema: Any, default: str) -> tuple[TensorSpec, ...]:
    if schema is None:
        return ()
    if schema.is_tensor_spec():
        return tuple(TensorSpec(spec.name or default, _dtype(spec.type), tuple(spec.shape)) for spec in schema.inputs)
    columns = ((spec.name or default, _COLUMN_TYPES.get(_scalar(spec.type), "O")) for spec in schema.inputs)
    return tuple(TensorSpec(name, np.dtype(kind), (-1,)) for name, kind in columns)


def _dtype(kind: np.dtype[Any]) -> np.dtype[Any]:
    return kind if kind.kind in "biuf" else _TEXT


def _scalar(kind: Any) -> str:
    """The name of one of MLflow's scalar types; empty for arrays, objects and maps, which have none."""
    return str(getattr(kind, "name", ""))


def _data(tensors: Mapping[str, Array], artifact: Artifact) -> Any:
    """The arrays in the form that the signature asks for: a data frame, arrays, or without one texts."""
    if not tensors:
        raise InvalidInput.at("inputs", "is empty; give at least one")
    schema = getattr(artifact.saved.signature, "inputs", None)
    if schema is None:
        return _unsigned(tensors)
    if not schema.has_input_names() and len(tensors) > len(schema.inputs):
        raise InvalidInput.at("inputs", f"has {len(tensors)} tensors; the model takes {len(schema.inputs)}")
    return _arrays(tensors, schema) if schema.is_tensor_spec() else _frame(tensors, schema)


def _arrays(tensors: Mapping[str, Array], schema: Any) -> Any:
    arrays = {name: _texts(name, array) if array.dtype == _TEXT else array for name, array in tensors.items()}
    return arrays if schema.has_input_names() else next(iter(arrays.values()))


def _frame(tensors: Mapping[str, Array], schema: Any) -> Any:
    import pandas as pd

    names = schema.input_names() if schema.has_input_names() else list(tensors)
    kinds = dict(zip(names, (_scalar(spec.type) for spec in schema.inputs), strict=False))
    columns = {name: _column(name, array, kinds.get(name, "string")) for name, array in tensors.items()}
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise InvalidInput.at("inputs", f"differ in their rows: {told}")
    # Without names MLflow goes by position, and some pipelines by the number that pandas gives.
    keys = columns if schema.has_input_names() else range(len(columns))
    return pd.DataFrame({key: pd.Series(values) for key, values in zip(keys, columns.values(), strict=True)})


def _column(name: str, array: Array, kind: str) -> Any:
    """A column's cells: [n] or [n, 1]; cells that are lists also [n, k], or texts of JSON."""
    is_nested = not kind
    if array.ndim == 2 and (array.shape[1] == 1 and not is_nested):
        array = array[:, 0]
    if array.ndim != 1 and not (is_nested and array.ndim == 2):
        raise InvalidInput.at(f"inputs.{name}", f"has the shape {list(array.shape)}; give [rows] or [rows, 1]")
    if array.dtype != _TEXT:
        return list(array) if is_nested else array
    if kind == "binary":
        return list(array)
    texts = _texts(name, array).tolist()
    return [_json(f"inputs.{name}", text, "column") for text in texts] if is_nested and array.ndim == 1 else texts


def _texts(name: str, array: Array) -> Array:
    try:
        return np.array([value.decode() for value in array.flat], object).reshape(array.shape)
    except UnicodeDecodeError:
        raise InvalidInput.at(f"inputs.{name}", "holds bytes that are no UTF-8 text") from None


def _json(field: str, text: str, kind: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidInput.at(field, f"must be JSON text: the model's {kind} is a list or an object") from None


def _unsigned(tensors: Mapping[str, Array]) -> Any:
    """What a model without a signature is given: texts, a recording, numbers, or lists by name."""
    values = {name: _values(name, array) for name, array in tensors.items()}
    return values if len(values) > 1 else next(iter(values.values()))


def _values(name: str, array: Array) -> Any:
    if array.dtype != _TEXT:
        return array
    try:
        return list(_texts(name, array).flat)
    except InvalidInput:
        if array.size != 1:
            raise
        return array.item()


def _params(params: Mapping[str, Any], artifact: Artifact) -> dict[str, Any]:
    """The request's parameters; lists and objects, which the protocol does not have, come as JSON text."""
    specs = artifact.saved.params_schema or ()
    nested = {spec.name for spec in specs if spec.shape is not None or not _scalar(spec.dtype)}
    return {
        name: _json(f"parameters.{name}", value, "parameter") if name in nested and isinstance(value, str) else value
        for name, value in params.items()
    }


def _named(predictions: Any, name: str) -> Row:
    """What a model predicted, as arrays by name: a data frame's columns, an array as it is, or rows."""
    import pandas as pd

    match predictions:
        case pd.DataFrame():
            return {str(column): _array(predictions[column].tolist()) for column in predictions}
        case np.ndarray():
            return {name: predictions if predictions.dtype.kind in "biuf" else _array(predictions.tolist())}
        case list():
            return {name: _array(predictions)}
    return {name: _array([predictions])}


def _array(values: list[Any]) -> Array:
    """A column: numbers as they are, texts as bytes, all else as texts of JSON."""
    kinds = {type(value) for value in values}
    if kinds and kinds <= {bool}:
        return np.array(values, bool)
    if kinds and kinds <= {int, float}:
        return np.array(values)
    to_text: Callable[[Any], str] = str if kinds <= {str} else _to_json
    column = np.empty(len(values), object)
    column[:] = [to_text(value).encode() for value in values]
    return column


def _to_json(value: Any) -> str:
    from mlflow.utils.proto_json_utils import NumpyEncoder

    return json.dumps(value, cls=NumpyEncoder)
