"""The ONNX backend: its sessions' options, what graphs are fed with, and what pipelines still find in their model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from savor.accel.export import NotCompiled
from savor.accel.onnx import PROVIDERS, Runtime
from savor.flavor import table
from savor.flavor.families.text_classification import ClassifyTextRequest, TextClassificationInput, prepare
from savor.flavor.item import Forward, Item
from tests.accel.batches import alone
from tests.compiling import chosen


def test_threads_of_a_session() -> None:
    options = Runtime(threads=3).session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


DEVICES = [
    pytest.param(Runtime("cuda:1", "cuda"), [{"device_id": 1}], id="CUDA"),
    pytest.param(Runtime("cpu", "cpu"), [{}], id="CPU"),
    pytest.param(
        Runtime("cuda:0", "tensorrt", engines=Path("/e")),
        [{"device_id": 0, "trt_engine_cache_enable": True, "trt_engine_cache_path": "/e"}, {"device_id": 0}],
        id="TensorRT",
    ),
]


@pytest.mark.parametrize(("runtime", "expected"), DEVICES)
def test_options_of_providers(runtime: Runtime, expected: list[dict[str, Any]]) -> None:
    assert runtime.provider_options() == expected
    assert len(PROVIDERS[runtime.provider]) == len(expected)


WRONG = [
    pytest.param(Runtime("cpu", "cuda"), "the provider cuda does not run models that are on the device cpu", id="CUDA"),
    pytest.param(Runtime("cuda:0", "cpu"), "the provider cpu does not run models", id="a GPU's model on the CPU"),
    pytest.param(Runtime("cuda:0", "cuda"), "that is installed has no CUDAExecutionProvider", id="not installed"),
]


@pytest.mark.parametrize(("runtime", "words"), WRONG)
def test_providers_that_are_not_the_devices(runtime: Runtime, words: str) -> None:
    with pytest.raises(NotCompiled, match=words):
        runtime.check()


def test_a_graph_is_fed_with_what_the_tokenizer_left_out() -> None:
    """A text alone is of type 0, and all of it is to be read: as the model itself takes it."""
    artifact, backend = chosen("classifier")
    [item] = prepare(ClassifyTextRequest((TextClassificationInput("the work"),), {}), artifact).items
    bare = Item({"input_ids": item.arrays["input_ids"]}, item.length, item.run)
    np.testing.assert_array_equal(alone(backend, [bare])[0]["output"], alone(backend, [item])[0]["output"])


def test_outputs_by_name_and_the_first_one() -> None:
    artifact, backend = chosen("reader")
    family = table.families_of(artifact.saved.family_task)[0]
    item = family.probe(artifact).items[0]
    [row] = alone(backend, [item])
    assert set(row) == {"start_logits", "end_logits"}
    [first] = alone(backend, [Item(item.arrays, item.length, Forward(per_token=True))])
    np.testing.assert_array_equal(first["output"], row["start_logits"])


@pytest.mark.parametrize("recipe", ["ctc", "audio-classifier"])
def test_speech_models_still_count_their_frames(recipe: str) -> None:
    """A method of the torch model, of which nothing is left."""
    artifact, _ = chosen(recipe)
    model = artifact.pipeline.model
    assert int(model._get_feat_extract_output_lengths(1600)) > 1
    assert model._get_feat_extract_output_lengths.__self__ is model
