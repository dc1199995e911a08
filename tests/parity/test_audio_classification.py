"""ClassifyAudio against mlflow.pyfunc: the same labels with the same scores from the same bytes."""

import base64
import io
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from mlflow.models import infer_signature

from savor.v1 import audio_classification_pb2 as pb
from savor.v1 import audio_classification_pb2_grpc as stubs
from savor.v1.speech_recognition_pb2 import AudioInput
from tests import tiny_models, tiny_pipelines
from tests.parity.oracle import pyfunc

RATE_HZ = 16_000


def _wav(seconds: float, seed: int = 1) -> bytes:
    file = io.BytesIO()
    sound = np.random.default_rng(seed).uniform(-0.5, 0.5, int(RATE_HZ * seconds)).astype(np.float32)
    soundfile.write(file, sound, RATE_HZ, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="module")
def classify(serving):
    with grpc.insecure_channel(serving("audio-classifier").target) as channel:
        yield stubs.AudioClassificationServiceStub(channel).ClassifyAudio


def _request(*contents: bytes, **fields: Any) -> pb.ClassifyAudioRequest:
    return pb.ClassifyAudioRequest(inputs=[AudioInput(content=content) for content in contents], **fields)


def _scores(result: Any) -> dict[str, float]:
    return {each.label: each.score for each in result.labels}


def test_labels_and_scores_are_mlflows(classify) -> None:
    content = _wav(0.5)
    frame = pyfunc("audio-classifier").predict(content)
    [result] = classify(_request(content)).results
    assert _scores(result) == pytest.approx(dict(zip(frame["label"], frame["score"], strict=True)), abs=1e-5)
    assert result.labels[0].label == frame["label"][0]


def test_b12_a_batch_of_recordings(classify) -> None:
    """B12: MLflow gives a frame whose columns are ranks and whose cells are dicts; the typed door a result for each."""
    contents = [_wav(0.5), _wav(0.5, 2), _wav(0.8, 3)]
    frame = pyfunc("audio-classifier").predict(contents)
    assert list(frame.columns) == [0, 1, 2, 3, 4, 5]
    results = classify(_request(*contents)).results
    for result, (_, cells) in zip(results, frame.iterrows(), strict=True):
        expected = {cell["label"]: cell["score"] for cell in cells}
        assert _scores(result) == pytest.approx(expected, abs=1e-5)


def test_b18_base64_is_no_recording(classify) -> None:
    """B18: MLflow decodes bytes that happen to be base64; for the typed door bytes are bytes."""
    content = _wav(0.5)
    text = base64.b64encode(content)
    assert pyfunc("audio-classifier").predict(text).equals(pyfunc("audio-classifier").predict(content))
    with pytest.raises(grpc.RpcError) as caught:
        classify(_request(text))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "inputs[0].content" in caught.value.details()


def test_parameters_of_the_signature(tmp_path, serving) -> None:
    folder = tmp_path / "audio-params"
    params = {"top_k": 2, "function_to_apply": "softmax"}
    signature = infer_signature(b"a", None, params)
    tiny_models.save(tiny_pipelines.audio_classifier(), folder, signature=signature)
    content = _wav(0.5)
    with grpc.insecure_channel(serving(str(folder)).target) as channel:
        classify = stubs.AudioClassificationServiceStub(channel).ClassifyAudio
        saved, asked = (
            classify(_request(content, parameters=parameters)).results[0]
            for parameters in ({}, {"function_to_apply": "none"})
        )
        fewer = classify(_request(content, top_k=1, parameters={})).results[0]
    for result, options in ((saved, {}), (asked, {"function_to_apply": "none"})):
        frame = pyfunc(str(folder)).predict(content, params=options)
        assert _scores(result) == pytest.approx(dict(zip(frame["label"], frame["score"], strict=True)), rel=1e-4)
        assert len(result.labels) == 2
    assert len(fewer.labels) == 1


def test_a_parameter_that_the_signature_does_not_have_is_named(classify) -> None:
    reply = classify(_request(_wav(0.2), parameters={"function_to_apply": "none"}))
    assert "parameters.function_to_apply was ignored" in reply.warnings[0]
    assert sum(each.score for each in reply.results[0].labels) == pytest.approx(1.0)
