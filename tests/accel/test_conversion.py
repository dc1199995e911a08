"""Graphs in other precisions: near float32, the same alone and in a batch, in one file where that can hold them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from savor.accel import conversion, export
from savor.accel.choice import choose
from savor.accel.plan import Accel
from savor.flavor import table
from savor.flavor.item import Array, Item
from savor.flavor.probe import Probe
from tests.accel.batches import alone, together
from tests.compiling import fresh, plan

RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(size=(32, 48)).astype(np.float32)
BIAS = RANDOM.normal(size=48).astype(np.float32)
ROWS = RANDOM.normal(size=(5, 32)).astype(np.float32) * np.array([[1e-6], [1], [1e4], [0], [3]], np.float32)


def saved(folder: Path, nodes: Sequence[Any], **constants: Array) -> Path:
    """A folder with a graph from `rows` to `result`."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("rows", "result")]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "graph", ends[:1], ends[1:], initializers)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), folder / "model.onnx"
    )
    return folder


def run(folder: Path, rows: Array = ROWS) -> Array:
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["result"], {"rows": rows})[0])


def graphs(graph: Any) -> Iterator[Any]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from graphs(attribute.g)


def operations(file: Path) -> Counter[str]:
    """How often each operation stands in a graph and those inside of it."""
    return Counter(node.op_type for graph in graphs(onnx.load(file).graph) for node in graph.node)


def node(operation: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(operation, inputs.split(), [output], **attributes)


def branching() -> Any:
    """Both branches have a value of the same name, of another type in each, and outputs named as the graph's."""
    one = [node("MatMul", "rows weight", "value"), node("Identity", "value", "result")]
    other = [node("Shape", "rows", "value"), node("MatMul", "rows weight", "sum"), node("Neg", "sum", "result")]
    given = [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)]
    return node(
        "If",
        "condition",
        "result",
        then_branch=helper.make_graph(one, "then", [], given),
        else_branch=helper.make_graph(other, "else", [], given),
    )


PRODUCTS = [
    pytest.param([node("MatMul", "rows weight", "sum")], {"weight": WEIGHT}, id="MatMul"),
    pytest.param([node("Gemm", "rows weight bias", "sum")], {"weight": WEIGHT, "bias": BIAS}, id="Gemm"),
    pytest.param([node("Gemm", "rows weight", "sum", transB=1)], {"weight": WEIGHT.T.copy()}, id="transposed"),
]


@pytest.mark.parametrize(("nodes", "constants"), PRODUCTS)
def test_products_of_bytes_are_near_those_of_float32(nodes: list[Any], constants: Any, tmp_path: Path) -> None:
    saved(tmp_path, [*nodes, node("Relu", "sum", "result")], **constants)
    expected = run(tmp_path)
    conversion.convert(tmp_path, "int8")
    assert operations(tmp_path / "model.onnx")["MatMulIntegerToFloat"] == 1
    given = run(tmp_path)
    # Each row by its own measure, from the smallest to the largest.
    largest = np.maximum(np.abs(ROWS).max(axis=1, keepdims=True), 1e-30) * 32
    assert (np.abs(given - expected) / largest).max() < 0.01
    assert np.abs(expected[1:]).max() > 1


@pytest.mark.parametrize(("nodes", "constants"), PRODUCTS)
def test_a_row_of_bytes_does_not_depend_on_the_others(nodes: list[Any], constants: Any, tmp_path: Path) -> None:
    saved(tmp_path, [*nodes, node("Relu", "sum", "result")], **constants)
    conversion.convert(tmp_path, "int8")
    np.testing.assert_array_equal(run(tmp_path), np.concatenate([run(tmp_path, row[None]) for row in ROWS]))


def test_products_of_bytes_do_not_overflow(tmp_path: Path) -> None:
    """Where pairs are added in 16 bits, 255 times 127 twice would be cut off."""
    saved(tmp_path, [node("MatMul", "rows weight", "sum"), node("Relu", "sum", "result")], weight=np.ones_like(WEIGHT))
    conversion.convert(tmp_path, "int8")
    np.testing.assert_allclose(run(tmp_path, np.ones((2, 32), np.float32)), 32, rtol=1e-5)


LEFT = [
    pytest.param([node("MatMul", "rows weight", "result")], id="a head"),
    pytest.param([node("MatMul", "rows weight", "sum"), node("Add", "sum bias", "result")], id="a head with a bias"),
    pytest.param([node("Gemm", "rows weight", "sum", alpha=2.0), node("Relu", "sum", "result")], id="a scaled product"),
    pytest.param(
        [
            node("Transpose", "rows", "columns"),
            node("MatMul", "rows columns", "sum"),
            node("MatMul", "sum rows", "again"),
            node("MatMul", "again weight", "result"),
        ],
        id="products of activations",
    ),
]


@pytest.mark.parametrize("nodes", LEFT)
def test_what_stays_float32(nodes: list[Any], tmp_path: Path) -> None:
    saved(tmp_path, nodes, weight=WEIGHT, bias=BIAS)
    expected, before = run(tmp_path), operations(tmp_path / "model.onnx")
    conversion.convert(tmp_path, "int8")
    assert operations(tmp_path / "model.onnx") == before
    np.testing.assert_array_equal(run(tmp_path), expected)


def test_a_matrix_that_two_products_read_is_kept_once(tmp_path: Path) -> None:
    nodes = [node("MatMul", "rows weight", "one"), node("Neg", "rows", "other"), node("MatMul", "other weight", "two")]
    saved(tmp_path, [*nodes, node("Sub", "one two", "result")], weight=WEIGHT)
    conversion.convert(tmp_path, "int8")
    names = [each.name for each in onnx.load(tmp_path / "model.onnx").graph.initializer]
    assert [name for name in names if name.startswith("weight")] == ["weight/columns/bytes", "weight/columns/scale"]


@pytest.mark.parametrize("condition", [True, False])
def test_branches_in_float16(condition: bool, tmp_path: Path) -> None:
    saved(tmp_path, [branching()], weight=WEIGHT, condition=np.array(condition))
    rows = ROWS[1:2]
    expected = run(tmp_path, rows)
    conversion.convert(tmp_path, "fp16")
    initializers = {each.name: each.data_type for each in onnx.load(tmp_path / "model.onnx").graph.initializer}
    assert initializers["weight"] == TensorProto.FLOAT16
    assert run(tmp_path, rows).dtype == np.float32
    np.testing.assert_allclose(run(tmp_path, rows), expected, atol=0.02)


def test_float32_stays_as_it_is(tmp_path: Path) -> None:
    saved(tmp_path, [node("MatMul", "rows weight", "result")], weight=WEIGHT)
    before = (tmp_path / "model.onnx").read_bytes()
    conversion.convert(tmp_path, "fp32")
    assert (tmp_path / "model.onnx").read_bytes() == before


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_weights_have_a_file_of_their_own_only_where_one_can_not_hold_them(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes, rows = [node("MatMul", "rows weight", "sum"), node("Relu", "sum", "result")], ROWS[1:2]
    expected = run(saved(tmp_path, nodes, weight=WEIGHT), rows)
    monkeypatch.setattr(conversion, "_LARGEST_FILE", 100)
    conversion.convert(tmp_path, precision)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "model.onnx_data"]
    np.testing.assert_allclose(run(tmp_path, rows), expected, atol=0.3)
    monkeypatch.undo()
    conversion.convert(saved(tmp_path, nodes, weight=WEIGHT), precision)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    np.testing.assert_allclose(run(tmp_path, rows), expected, atol=0.3)


def test_both_halves_of_a_decoder_are_of_bytes(tmp_path: Path) -> None:
    export.export(fresh("text2text"), tmp_path)
    before = operations(tmp_path / "decoder_model_merged.onnx")
    conversion.convert(tmp_path, "int8")
    after = operations(tmp_path / "decoder_model_merged.onnx")
    heads, attention = 2, after["MatMul"] - 2
    assert after["MatMulIntegerToFloat"] == before["MatMul"] - heads - attention > attention > 0


@pytest.mark.parametrize("recipe", ["classifier", "entailer", "generator", "audio-classifier", "image-classifier"])
def test_a_row_of_an_int8_model_is_the_same_alone_and_in_a_batch(recipe: str) -> None:
    artifact, backend = choose(fresh(recipe), plan(Accel.ONNX, precision="int8"))
    assert backend.info.precision == "int8"
    assert backend.info.report is not None
    assert backend.info.report.passed
    family = table.families_of(artifact.saved.family_task, artifact.saved.inference_task)[0]
    texts = ("work", "the work is done", "a much longer text than all of the others are, with more of the same")
    items: list[Item] = [item for text in texts for item in family.probe(artifact, Probe(text)).items]
    for one, other in zip(alone(backend, items), together(backend, items), strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=1e-5)
    backend.close()
