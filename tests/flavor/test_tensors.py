"""Named arrays to what each kind of signature asks for, and predictions to arrays, beside MLflow's own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.models import infer_signature

from savor.flavor import saved, tensors
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.load import LoadOptions, load
from tests import tiny_models, tiny_pipelines
from tests.flavor.artifacts import artifact
from tests.parity.oracle import pyfunc
from tests.parity.test_pyfunc_door import noise

FLOATS = json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}])


def texts(*values: str) -> np.ndarray:
    return np.array([value.encode() for value in values], object)


def infer(loaded: Artifact, given: Mapping[str, np.ndarray], **params: Any) -> Mapping[str, np.ndarray]:
    prepared = tensors.prepare(given, params, loaded)
    return prepared.decode([item.run.call() for item in prepared.items])


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, Any], tuple[Artifact, Any]]:
    """A recipe with an MLmodel changed, loaded here and by MLflow."""

    def make(name: str, edit: Callable[[dict[str, Any]], Any]) -> tuple[Artifact, Any]:
        folder = tiny_models.edited(tiny_models.saved(name), tmp_path / name, edit)
        return load(saved.read(folder), LoadOptions()), pyfunc(str(folder))

    return make


def test_a_signature_of_tensors_takes_tensors(edited) -> None:
    loaded, oracle = edited("ctc", lambda words: words["signature"].update(inputs=FLOATS))
    samples = np.random.default_rng(3).normal(scale=0.1, size=8_000).astype(np.float32)
    assert [value.decode() for value in infer(loaded, {"audio": samples})["predictions"]] == oracle.predict(samples)
    [spec] = tensors.inputs_of(loaded)
    assert (spec.name, spec.dtype, spec.shape) == ("inputs", np.float32, (-1,))
    with pytest.raises(InvalidInput, match="float32"):
        infer(loaded, {"audio": samples.astype(np.float64)})


def test_without_a_signature_texts_are_a_list(edited) -> None:
    loaded, oracle = edited("classifier", lambda words: words.pop("signature"))
    found, expected = infer(loaded, {"any": texts("a", "b")}), oracle.predict(["a", "b"])
    assert [value.decode() for value in found["label"]] == expected["label"].tolist()
    assert tensors.inputs_of(loaded) == tensors.outputs_of(loaded) == ()


def test_without_a_signature_names_are_keys(edited) -> None:
    loaded, oracle = edited("reader", lambda words: words.pop("signature"))
    pair = {"question": ["who?"], "context": ["the Licensor grants"]}
    found = infer(loaded, {name: texts(*values) for name, values in pair.items()})
    assert [value.decode() for value in found["predictions"]] == oracle.predict(pair)


def test_without_a_signature_bytes_are_a_recording(edited) -> None:
    loaded, oracle = edited("ctc", lambda words: words.pop("signature"))
    found = infer(loaded, {"audio": np.array([noise()], object)})
    assert [value.decode() for value in found["predictions"]] == oracle.predict(noise())


def test_bytes_of_a_binary_column_are_not_read_as_text() -> None:
    found = infer(artifact("ctc"), {"audio": np.array([noise(), noise()], object)})
    assert [value.decode() for value in found["predictions"]] == pyfunc("ctc").predict([noise(), noise()])


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "rows of texts"])
def test_columns_of_lists(tmp_path: Path, as_json: bool) -> None:
    pair = {"question": ["who?", "what?"], "context": ["the Licensor grants", "a license"]}
    folder = tiny_models.save(tiny_pipelines.reader(), tmp_path / "model", signature=infer_signature(pair, ["a"]))
    loaded = load(saved.read(folder), LoadOptions())
    rows = {name: texts(json.dumps(v)) if as_json else texts(*v).reshape(1, 2) for name, v in pair.items()}
    found = infer(loaded, rows)["predictions"]
    assert [value.decode() for value in found] == pyfunc(str(folder)).predict(pair)


def test_lists_among_params_come_as_json(tmp_path: Path) -> None:
    signature = infer_signature("a", None, {"ignore_labels": ["O"], "aggregation_strategy": "simple"})
    folder = tiny_models.save(tiny_pipelines.tagger(), tmp_path / "model", signature=signature)
    loaded = load(saved.read(folder), LoadOptions())
    params = {"ignore_labels": ["B-PER", "I-PER"], "aggregation_strategy": "none"}
    found = infer(loaded, {"text": texts("the License")}, **{**params, "ignore_labels": '["B-PER", "I-PER"]'})
    assert [value.decode() for value in found["predictions"]] == pyfunc(str(folder)).predict("the License", params)
    with pytest.raises(InvalidInput, match=r"parameters\.ignore_labels: must be JSON text"):
        infer(loaded, {"text": texts("a")}, ignore_labels="B-PER")


def test_cells_that_no_array_holds_are_json() -> None:
    found = infer(artifact("classifier-with-params"), {"text": texts("the License")}, top_k=2)
    expected = pyfunc("classifier-with-params").predict(["the License"], {"top_k": 2})
    assert {name: json.loads(cells[0]).keys() for name, cells in found.items()} == {
        str(column): expected[column][0].keys() for column in expected
    }


def test_an_item_knows_its_size() -> None:
    [item] = tensors.prepare({"text": texts("a" * 400)}, {}, artifact("encoder")).items
    assert item.length == 100
