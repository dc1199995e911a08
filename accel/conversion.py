"""Graphs of float32 to another precision, in place: eight bits for CPUs, float16 for GPUs.

Eight bits are dynamic: weights are quantized here, a column at a time, and activations as they come, a row at a time.
ONNX Runtime's own quantizer takes one scale for a whole tensor, so that a text's answer depends on whom it shares a
batch with, by a tenth of the largest number and more. A row's own scale makes it the same alone and in any batch, and
is nearer to float32, for about a tenth of the speed (docs/precision.md).
"""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from savor.accel.export import quiet
from savor.flavor.item import Array

_MICROSOFT = "com.microsoft"
_MOST_WEIGHT = 64
"""Weights keep to seven bits: CPUs without VNNI add pairs of products in 16 bits, where 2 * 255 * 64 still fits."""
_MOST_ACTIVATION, _ZERO = 127, 128
"""Activations are bytes with a fixed zero, so that zero is exact and a row needs nothing but its scale."""
_LARGEST_FILE = (1 << 31) - (1 << 24)
"""Bytes of weights beyond which they need a file of their own: protobuf ends at 2 GiB."""


def convert(folder: Path, precision: str) -> None:
    """Converts every graph of a folder to a precision by its short name; `fp32` leaves them as they are."""
    with quiet():
        for graph in sorted(folder.glob("*.onnx")) if precision in _CONVERSIONS else ():
            _CONVERSIONS[precision](graph)


def _to_int8(file: Path) -> None:
    """Products with a constant matrix as products of integers, in the graph and in those inside of it."""
    import onnx

    model = onnx.load(file)
    conversion = _Quantization({tensor.name: tensor for tensor in model.graph.initializer})
    for index, graph in enumerate(_graphs(model.graph)):
        heads = _heads(graph)
        _replace(graph.node, [new for node in graph.node for new in conversion.nodes(node, index, heads)])
    _replace(model.graph.initializer, [*model.graph.initializer, *conversion.constants()])
    _replace(model.graph.initializer, _read_by(model.graph))
    if all(opset.domain != _MICROSOFT for opset in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(_MICROSOFT, 1))
    _save(model, file)


def _to_fp16(file: Path) -> None:
    """Weights and sums as float16; what goes in and comes out stays float32."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(file)
    _name_apart(model.graph)
    _save(model, file)
    # By its path, because shapes of models beyond 2 GiB can only be inferred from a file.
    _save(convert_float_to_float16(str(file), keep_io_types=True), file)


_CONVERSIONS: Mapping[str, Callable[[Path], None]] = {"int8": _to_int8, "fp16": _to_fp16}


@dataclass(frozen=True)
class _Quantization:
    """Nodes of a graph to nodes of eight bits; `weights` are the initializers by name."""

    weights: Mapping[str, Any]
    _quantized: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    _rows: dict[tuple[int, str], str] = field(default_factory=dict)

    def nodes(self, node: Any, graph: int, heads: Set[str]) -> Iterator[Any]:
        """What stands in a node's place; `graph` numbers the graph that it is in, `heads` are left as they are."""
        if self._is_product(node) and node.output[0] not in heads:
            yield from self._product(node, graph)
        else:
            yield node

    def constants(self) -> Iterator[Any]:
        """The initializers that the new nodes read."""
        from onnx.numpy_helper import from_array

        yield from_array(np.array(1 / _MOST_ACTIVATION, np.float32), "rows/scale")
        yield from_array(np.array(_ZERO, np.uint8), "rows/zero")
        yield from_array(np.array(np.finfo(np.float32).tiny, np.float32), "rows/least")
        yield from_array(np.array([-1], np.int64), "rows/axis")
        for name, (values, scale) in self._quantized.items():
            yield from_array(values, f"{name}/bytes")
            yield from_array(scale, f"{name}/scale")

    def _product(self, node: Any, graph: int) -> Iterator[Any]:
        """A product of bytes; those that read the same activation share its bytes."""
        from onnx.helper import make_node

        weight, rows = self._weight(node), f"{node.input[0]}/rows/{graph}"
        if (graph, node.input[0]) not in self._rows:
            self._rows[graph, node.input[0]] = rows
            yield from _quantized_rows(node.input[0], rows)
        output, bias = node.output[0], node.input[2:]
        product = [f"{rows}/bytes", f"{weight}/bytes", "rows/scale", f"{weight}/scale", "rows/zero"]
        yield make_node("MatMulIntegerToFloat", product, [f"{output}/of_one"], node.name, domain=_MICROSOFT)
        yield make_node("Mul", [f"{output}/of_one", f"{rows}/largest"], [f"{output}/product" if bias else output])
        if bias:
            yield make_node("Add", [f"{output}/product", bias[0]], [output])

    def _is_product(self, node: Any) -> bool:
        """Whether a node is a product with a constant matrix of float32, and nothing more than a bias."""
        from onnx import TensorProto

        weight = self.weights.get(node.input[1]) if node.op_type in ("MatMul", "Gemm") else None
        if weight is None or len(weight.dims) != 2 or weight.data_type != TensorProto.FLOAT:
            return False
        plain = {"transA": 0, "alpha": 1.0, "beta": 1.0}
        return plain | _attributes(node) | {"transB": 0} == plain | {"transB": 0}

    def _weight(self, node: Any) -> str:
        """The name of a node's matrix among those that are quantized, which it is now if it was not."""
        from onnx.numpy_helper import to_array

        transposed = bool(_attributes(node).get("transB"))
        name = f"{node.input[1]}/{'transposed' if transposed else 'columns'}"
        if name not in self._quantized:
            matrix = to_array(self.weights[node.input[1]])
            self._quantized[name] = _quantized_columns(matrix.T if transposed else matrix)
        return name


def _heads(graph: Any) -> set[str]:
    """What a graph gives out as it is, or after no more than a bias: the scores of labels and tokens.

    Nothing behind such a product evens its error out: with it in eight bits a T5 chose 80% of its tokens as in float32,
    without it 95%.
    """
    given = {output.name for output in graph.output}
    return given | {
        name for node in graph.node if node.op_type == "Add" and node.output[0] in given for name in node.input
    }


def _quantized_columns(matrix: Array) -> tuple[Array, Array]:
    """A matrix as int8 and the scale of each of its columns: shapes (rows, columns) and (columns,)."""
    scale = np.maximum(np.abs(matrix).max(axis=0) / _MOST_WEIGHT, np.finfo(np.float32).tiny)
    return np.ascontiguousarray(np.rint(matrix / scale).astype(np.int8)), scale.astype(np.float32)


def _quantized_rows(name: str, rows: str) -> Iterator[Any]:
    """Nodes that write an activation's rows as bytes, `{rows}/bytes`, and the largest of each, `{rows}/largest`."""
    from onnx.helper import make_node

    yield make_node("Abs", [name], [f"{rows}/sizes"])
    yield make_node("ReduceMax", [f"{rows}/sizes", "rows/axis"], [f"{rows}/maximum"], keepdims=1)
    # A row of zeros alone stays one.
    yield make_node("Max", [f"{rows}/maximum", "rows/least"], [f"{rows}/largest"])
    yield make_node("Div", [name, f"{rows}/largest"], [f"{rows}/of_one"])
    yield make_node("QuantizeLinear", [f"{rows}/of_one", "rows/scale", "rows/zero"], [f"{rows}/bytes"])


def _attributes(node: Any) -> dict[str, Any]:
    from onnx.helper import get_attribute_value

    return {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and those inside of its nodes, such as the two of a merged decoder."""
    yield graph
    for inner in _inner(graph):
        yield from _graphs(inner)


def _inner(graph: Any) -> Iterator[Any]:
    """The graphs that a graph's nodes hold: branches and bodies of loops."""
    for node in graph.node:
        yield from (attribute.g for attribute in node.attribute if attribute.HasField("g"))


def _read_by(graph: Any) -> list[Any]:
    """The initializers of a graph that something reads."""
    read = {name for each in _graphs(graph) for node in each.node for name in node.input}
    read |= {output.name for each in _graphs(graph) for output in each.output}
    return [tensor for tensor in graph.initializer if tensor.name in read]


def _replace(field: Any, values: list[Any]) -> None:
    """Puts other messages in the place of those of a repeated field."""
    del field[:]
    field.extend(values)


def _name_apart(graph: Any) -> None:
    """Gives values of branches names of their own: the converter takes values of one name, in any graph, for one."""
    for index, inner in enumerate(_graphs(graph)):
        made = {name for node in inner.node for name in node.output if name}
        _rename(inner, {name: f"{name}/branch/{index}" for name in made} if index else {})


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    for inner in _graphs(graph):
        for output in inner.output:
            output.name = names.get(output.name, output.name)
        for node in inner.node:
            _replace(node.input, [names.get(name, name) for name in node.input])
            _replace(node.output, [names.get(name, name) for name in node.output])


def _save(model: Any, file: Path) -> None:
    """Replaces a graph, in one file where that can hold it."""
    import onnx

    data = file.with_name(f"{file.name}_data")
    data.unlink(missing_ok=True)
    apart = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _LARGEST_FILE
    onnx.save(model, file, save_as_external_data=apart, location=data.name)
