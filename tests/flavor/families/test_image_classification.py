"""image-classification: pixel values are transformers' own, bytes are an image and nothing else, options are named."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from savor.accel.eager import EagerBackend
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.families.image_classification import FAMILY, ClassifyImageRequest, ImageInput, prepare
from savor.flavor.item import Prepared
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from tests.accel.batches import alone, together
from tests.flavor.artifacts import artifact

NAME = "image-classifier"
OPEN = {"unknown_params": Unknown.ALLOW}


@pytest.fixture(scope="module")
def backend():
    backend = EagerBackend(artifact(NAME))
    yield backend
    backend.close()


def _picture(width: int = 40, height: int = 30, seed: int = 1) -> Any:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8))


def _png(picture: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _request(*inputs: ImageInput, top_k: int | None = None, **parameters: Any) -> ClassifyImageRequest:
    return ClassifyImageRequest(inputs, parameters, top_k)


def _content(*pictures: Any) -> list[ImageInput]:
    return [ImageInput(content=_png(picture)) for picture in pictures]


def _labels(prepared: Prepared, backend: EagerBackend) -> Any:
    results = prepared.decode(together(backend, prepared.items)).results
    return [[(each.label, each.score) for each in result.labels] for result in results]


CALLS = [
    pytest.param({}, id="by default"),
    pytest.param({"top_k": 2}, id="two labels"),
    pytest.param({"top_k": 99}, id="more labels than there are"),
    pytest.param({"function_to_apply": "sigmoid"}, id="sigmoid"),
    pytest.param({"function_to_apply": "NONE"}, id="bare logits"),
    pytest.param({"timeout": 1.0}, id="a timeout for fetching"),
]


@pytest.mark.parametrize("options", CALLS)
def test_labels_are_the_pipelines(backend: EagerBackend, options: dict[str, Any]) -> None:
    pictures, model = [_picture(), _picture(33, 65, 2)], artifact(NAME, **OPEN)
    expected = [model.pipeline(picture, **options) for picture in pictures]
    top_k = options.get("top_k")
    found = _labels(prepare(_request(*_content(*pictures), **options), model), backend)
    for labels, theirs in zip(found, expected, strict=True):
        assert len(labels) == min(top_k or 5, 6)
        assert dict(labels) == pytest.approx({each["label"]: each["score"] for each in theirs}, abs=1e-4)
        assert [score for _, score in labels] == sorted((score for _, score in labels), reverse=True)


DEFAULTS = [
    pytest.param({"problem_type": "multi_label_classification"}, id="several labels at once"),
    pytest.param({"problem_type": "single_label_classification"}, id="one label of several"),
    pytest.param({"problem_type": "regression"}, id="a number"),
]


@pytest.mark.parametrize("config", DEFAULTS)
def test_scores_are_as_the_models_configuration_says(
    backend: EagerBackend, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, picture = artifact(NAME), _picture()
    for key, value in config.items():
        monkeypatch.setattr(model.pipeline.model.config, key, value)
    [labels] = _labels(prepare(_request(*_content(picture)), model), backend)
    expected = model.pipeline(picture)
    assert [score for _, score in labels] == pytest.approx([each["score"] for each in expected], abs=1e-6)


def test_a_row_in_a_batch_equals_the_row_alone(backend: EagerBackend) -> None:
    pictures = [_picture(20 + 7 * seed, 90 - 9 * seed, seed) for seed in range(5)]
    prepared = prepare(_request(*_content(*pictures)), artifact(NAME))
    assert len({item.alike for item in prepared.items}) == 1
    batched, single = (run(backend, prepared.items) for run in (together, alone))
    for one, other in zip(batched, single, strict=True):
        np.testing.assert_allclose(one["logits"], other["logits"], rtol=1e-4, atol=1e-4)


def test_a_model_in_bfloat16_reads_the_same() -> None:
    [item] = prepare(_request(*_content(_picture())), artifact(NAME, dtype="bfloat16")).items
    assert item.arrays["pixel_values"].dtype == np.float32


def test_an_image_comes_by_uri(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png(_picture()))
    model = artifact(NAME, limits=Limits(uri_prefixes=(f"file://{tmp_path}/",)))
    inputs = (*_content(_picture()), ImageInput(uri=f"file://{tmp_path}/a.png"))
    one, other = prepare(_request(*inputs), model).items
    np.testing.assert_array_equal(one.arrays["pixel_values"], other.arrays["pixel_values"])


GOOD = _content(_picture())[0]
BAD = [
    pytest.param((), {}, "inputs", id="no inputs"),
    pytest.param((GOOD, ImageInput()), {}, "inputs[1]", id="no source"),
    pytest.param((GOOD, ImageInput(content=b"no image")), {}, "inputs[1].content", id="no image"),
    pytest.param((ImageInput(content=base64.b64encode(GOOD.content or b"")),), {}, "inputs[0].content", id="base64"),
    pytest.param((ImageInput(content=b"/etc/passwd"),), {}, "inputs[0].content", id="a path"),
    pytest.param((ImageInput(content=_png(_picture(300, 300))),), {}, "inputs[0].content", id="too many pixels"),
    pytest.param((ImageInput(content=_png(_picture(1, 1))),), {}, "inputs[0].content", id="no more than a pixel"),
    pytest.param((ImageInput(uri="file:///etc/passwd"),), {}, "inputs[0].uri", id="a uri that is not allowed"),
    pytest.param((GOOD,), {"top_k": -1}, "top_k", id="less than no labels"),
    pytest.param((GOOD,), {"function_to_apply": "x"}, "parameters.function_to_apply", id="no function"),
]


@pytest.mark.parametrize(("inputs", "options", "field"), BAD)
def test_what_can_not_be_used_is_named(inputs: tuple[ImageInput, ...], options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(_request(*inputs, **options), artifact(NAME, limits=Limits(max_image_pixels=50_000), **OPEN))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_an_option_that_the_pipeline_does_not_take() -> None:
    with pytest.raises(UnsupportedParameter, match=r"parameters\.frobnicate"):
        prepare(_request(GOOD, frobnicate=1), artifact(NAME, **OPEN))


def test_the_probe_runs_whatever_callers_may_send(backend: EagerBackend) -> None:
    [labels] = _labels(FAMILY.probe(artifact(NAME, limits=Limits(max_image_pixels=9))), backend)
    assert len(labels) == 5
