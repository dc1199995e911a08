"""Reads the weights back out of an int8 ONNX graph as fp32, under the names of the PyTorch modules they came from.

An exporter keeps the module path of embeddings, norms and biases as initializer names, but stores a linear layer's
matrix transposed and nameless (`onnx::MatMul_753`); its path survives in the name of the MatMul node that multiplies by
it. A quantised tensor T is three initializers: T_quantized, T_scale and T_zero_point, and means
(quantized - zero point) * scale, the scale being one number or one per column.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from demo.errors import WeightsUnavailable

try:
    import onnx
    from onnx import numpy_helper
except ModuleNotFoundError as missing:
    raise WeightsUnavailable("this model's converter needs the package onnx", "pip install onnx==1.23.2") from missing

QUANTISED = "_quantized"
Initializers = Mapping[str, onnx.TensorProto]


def read_weights(graph: bytes) -> dict[str, torch.Tensor]:
    """Return every parameter of the exported module by its path in that module."""
    model = onnx.load_model_from_string(graph)
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    return dict(_named(initializers)) | dict(_multiplied(model.graph, initializers))


def _named(initializers: Initializers) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in initializers.items():
        if name.endswith(QUANTISED) and not name.startswith("onnx::"):
            path = name.removesuffix(QUANTISED)
            yield path, torch.from_numpy(_dequantise(path, initializers))
        elif name.endswith((".weight", ".bias")):
            yield name, torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))


def _multiplied(graph: onnx.GraphProto, initializers: Initializers) -> Iterator[tuple[str, torch.Tensor]]:
    for node in graph.node:
        if node.op_type in {"MatMul", "MatMulInteger"}:
            matrix = re.sub(r"(_DequantizeLinear_Output|_quantized)$", "", node.input[1])
            if matrix + QUANTISED in initializers:  # else it multiplies two activations
                yield _path(node.name), torch.from_numpy(_dequantise(matrix, initializers).T.copy())


def _path(node: str) -> str:
    return re.sub(r"/MatMul(_quant)?$", "/weight", node).strip("/").replace("/", ".")


def _dequantise(name: str, initializers: Initializers) -> np.typing.NDArray[np.float32]:
    quantised, scale, zero_point = (
        numpy_helper.to_array(initializers[name + part]).astype(np.float32)
        for part in (QUANTISED, "_scale", "_zero_point")
    )
    return np.asarray((quantised - zero_point) * scale, np.float32)
