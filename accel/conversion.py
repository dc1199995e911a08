"""Graphs of float32 to another precision, in place: eight-bit weights for CPUs, float16 for GPUs."""

from pathlib import Path

from savor.accel.export import quiet


def convert(folder: Path, precision: str) -> None:
    """Converts every graph of a folder to a precision by its short name; `fp32` leaves them as they are."""
    with quiet():
        for graph in sorted(folder.glob("*.onnx")) if precision in _CONVERSIONS else ():
            _CONVERSIONS[precision](graph)


def _to_int8(graph: Path) -> None:
    """Dynamic quantization: weights of matrix products as int8, activations as they come.

    Weights keep to seven bits, for CPUs without VNNI add up pairs of products in 16 bits and would overflow.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        graph, graph, op_types_to_quantize=["MatMul", "Gemm"], weight_type=QuantType.QInt8, reduce_range=True
    )


def _to_fp16(graph: Path) -> None:
    """Weights and sums as float16; what goes in and comes out stays float32."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(graph), keep_io_types=True), graph)


_CONVERSIONS = {"int8": _to_int8, "fp16": _to_fp16}
