import asyncio
import os
import sys
from pathlib import Path

import pytest

from benchmarks.answers import Answer
from benchmarks.cores import Cores, available, divide, pin
from benchmarks.process import ServerProcess, StartFailed
from benchmarks.servers.inference import Dialect, columns, json_objects
from benchmarks.servers.mlflow import answers_in
from benchmarks.servers.target import CallFailed
from savor.oip.open_inference_pb2 import InferTensorContents, ModelInferResponse

EVERYWHERE = Cores(frozenset(), frozenset(), 1)
Tensor = ModelInferResponse.InferOutputTensor


def test_mlflows_predictions_are_answers() -> None:
    assert answers_in({"predictions": [{"label": "good", "score": 0.5}]}) == [Answer("good", 0.5)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"error_code": "BAD_REQUEST"}, id="an error"),
        pytest.param({"predictions": ["good"]}, id="no scores"),
        pytest.param(None, id="nothing"),
    ],
)
def test_any_other_reply_is_a_failed_call(body: object) -> None:
    with pytest.raises(CallFailed, match="unknown reply"):
        answers_in(body)


def test_texts_go_into_one_tensor_of_bytes() -> None:
    request = Dialect("TEXT", columns, columns=(1,), request_parameters={"content_type": "str"}).request(["é", "b"])
    (tensor,) = request.inputs
    assert (tensor.datatype, list(tensor.shape)) == ("BYTES", [2, 1])
    assert list(tensor.contents.bytes_contents) == ["é".encode(), b"b"]
    assert request.parameters["content_type"].string_param == "str"


def test_labels_and_scores_are_read_from_typed_contents() -> None:
    scores = Tensor(name="score", datatype="FP64", contents=InferTensorContents(fp64_contents=[0.5, 0.25]))
    labels = Tensor(name="label", datatype="BYTES", contents=InferTensorContents(bytes_contents=[b"good", b"bad"]))
    reply = ModelInferResponse(outputs=[scores, labels])
    assert columns(reply) == [Answer("good", 0.5), Answer("bad", 0.25)]


def test_labels_and_scores_are_read_from_raw_contents() -> None:
    reply = ModelInferResponse(
        outputs=[Tensor(name="LABEL", datatype="BYTES"), Tensor(name="SCORE", datatype="FP32")],
        raw_output_contents=[b"\x04\0\0\0good\x03\0\0\0bad", b"\0\0\0\x3f\0\0\x80\x3e"],
    )
    assert columns(reply) == [Answer("good", 0.5), Answer("bad", 0.25)]


def test_json_in_a_tensor_is_read() -> None:
    contents = InferTensorContents(bytes_contents=[b'{"label": "good", "score": 0.5}'])
    assert json_objects(ModelInferResponse(outputs=[Tensor(contents=contents)])) == [Answer("good", 0.5)]


async def test_a_server_that_ends_is_reported_with_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "no_such_module"]
    process = await ServerProcess.start(command, EVERYWHERE, tmp_path / "server.log")
    with pytest.raises(StartFailed, match=r"(?s)server ended.*no_such_module"):
        await process.until(asyncio.sleep(60))
    await process.stop()


async def test_a_server_is_ended_with_what_it_started(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"]
    process = await ServerProcess.start(command, EVERYWHERE, tmp_path / "server.log")
    await process.until(asyncio.sleep(0))
    assert process.rss_bytes() > 0
    await process.stop()
    await process.stop()


def test_without_pinning_no_core_is_taken() -> None:
    assert divide(1, pinned=False) == EVERYWHERE


def test_nothing_is_pinned_where_no_core_would_be_left_for_the_load() -> None:
    assert divide(len(available()), pinned=True).servers == frozenset()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or len(available()) < 2, reason="needs two cores to pin")
def test_a_server_is_born_on_its_cores_and_the_load_stays_on_its_own() -> None:
    before = available()
    cores = divide(1, pinned=True)
    try:
        pin(cores.load)
        with cores.inherited_by_servers():
            assert available() == cores.servers
        assert available() == cores.load
    finally:
        pin(before)
    assert not cores.servers & cores.load
