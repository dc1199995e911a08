"""ClassifyImage against mlflow.pyfunc, which takes images as base64 text: the same labels with the same scores."""

import base64
import io
from typing import Any

import grpc
import mlflow.exceptions
import numpy as np
import pytest
from mlflow.models import infer_signature
from PIL import Image

from savor.v1 import image_classification_pb2 as pb
from savor.v1 import image_classification_pb2_grpc as stubs
from savor.v1 import model_pb2, model_pb2_grpc
from tests import tiny_models, tiny_pipelines
from tests.parity.oracle import pyfunc


def _image(kind: str = "PNG", seed: int = 1, **options: Any) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (30 + seed, 50, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.fixture(scope="module")
def classify(serving):
    with grpc.insecure_channel(serving("image-classifier").target) as channel:
        yield stubs.ImageClassificationServiceStub(channel).ClassifyImage


def _request(*contents: bytes, **fields: Any) -> pb.ClassifyImageRequest:
    return pb.ClassifyImageRequest(inputs=[pb.ImageInput(content=content) for content in contents], **fields)


def _scores(result: Any) -> list[tuple[str, float]]:
    return [(each.label, pytest.approx(each.score, abs=1e-5)) for each in result.labels]


def _cells(row: Any) -> list[tuple[str, float]]:
    """A row of MLflow's frame, whose cells are dicts."""
    return [(cell["label"], cell["score"]) for cell in row]


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _image("JPEG", exif=exif)


IMAGES = [
    pytest.param(_image(), id="PNG"),
    pytest.param(_image("JPEG"), id="JPEG"),
    pytest.param(_image("WEBP"), id="WebP"),
    pytest.param(_image("GIF"), id="GIF"),
    pytest.param(_image("BMP"), id="BMP"),
    pytest.param(_image("TIFF"), id="TIFF"),
    pytest.param(_turned(), id="a JPEG that is to be turned"),
]


@pytest.mark.parametrize("content", IMAGES)
def test_labels_and_scores_are_mlflows(classify, content: bytes) -> None:
    """B12: MLflow gives a frame with one row, columns that are ranks and cells that are dicts, even for one image."""
    frame = pyfunc("image-classifier").predict(_base64(content))
    assert list(frame.columns) == [0, 1, 2, 3, 4]
    [result] = classify(_request(content)).results
    assert _scores(result) == _cells(frame.iloc[0])


def test_b12_a_batch_of_images(classify) -> None:
    contents = [_image(seed=seed) for seed in (1, 2, 3)]
    frame = pyfunc("image-classifier").predict([_base64(content) for content in contents])
    results = classify(_request(*contents)).results
    assert [_scores(result) for result in results] == [_cells(row) for _, row in frame.iterrows()]


def test_b18_bytes_are_an_image_and_no_text(classify) -> None:
    """B18: MLflow takes a text for base64 wherever it can be, and bytes not at all."""
    with pytest.raises((TypeError, ValueError, mlflow.exceptions.MlflowException)):
        pyfunc("image-classifier").predict(_image())
    with pytest.raises(Exception, match="Incorrect image source"):
        # The name of a file, which is base64 too.
        pyfunc("image-classifier").predict("abcd")
    for content in (_base64(_image()).encode(), b"abcd"):
        with pytest.raises(grpc.RpcError) as caught:
            classify(_request(content))
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "inputs[0].content" in caught.value.details()


def test_parameters_of_the_signature(tmp_path, serving) -> None:
    folder = tmp_path / "image-params"
    signature = infer_signature("a", None, {"top_k": 2, "function_to_apply": "softmax"})
    tiny_models.save(tiny_pipelines.image_classifier(), folder, signature=signature)
    content = _image()
    with grpc.insecure_channel(serving(str(folder)).target) as channel:
        classify = stubs.ImageClassificationServiceStub(channel).ClassifyImage
        for options in ({}, {"function_to_apply": "none"}):
            [result] = classify(_request(content, parameters=options)).results
            frame = pyfunc(str(folder)).predict(_base64(content), params=options)
            assert _scores(result) == _cells(frame.iloc[0])
            assert len(result.labels) == 2
        assert len(classify(_request(content, top_k=0)).results[0].labels) == 6


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "http://169.254.169.254/latest", "/etc/passwd"])
def test_no_address_is_read_unless_the_operator_lists_it(classify, uri: str) -> None:
    with pytest.raises(grpc.RpcError, match="this server reads no such uri") as caught:
        classify(pb.ClassifyImageRequest(inputs=[pb.ImageInput(uri=uri)]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_the_operator_says_how_many_pixels_an_image_may_have(serving) -> None:
    target = serving("image-classifier", limits={"max_image_pixels": 1_000}).target
    with grpc.insecure_channel(target) as channel:
        shown = model_pb2_grpc.ModelServiceStub(channel).GetModel(model_pb2.GetModelRequest())
        assert shown.model.limits.max_image_pixels == 1_000
        with pytest.raises(grpc.RpcError, match="an image may have 1,000 pixels on this server") as caught:
            stubs.ImageClassificationServiceStub(channel).ClassifyImage(_request(_image()))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
