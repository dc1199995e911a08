"""Triton's own client, unchanged, against `savor serve`: in a process of its own, as its stubs and ours share names."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.parity.oracle import pyfunc
from tests.serving import Serving

SCRIPT = """
import json
import sys

import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

client = InferenceServerClient(sys.argv[1])


def infer(model, columns, outputs=None, **options):
    inputs = []
    for name, values in columns.items():
        array = np.array(values, object)
        inputs.append(InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)))
        inputs[-1].set_data_from_numpy(array)
    wanted = [InferRequestedOutput(name) for name in outputs] if outputs else None
    result = client.infer(model, inputs, outputs=wanted, **options)
    arrays = {output.name: result.as_numpy(output.name) for output in result.get_response().outputs}
    return {name: [v.decode() if isinstance(v, bytes) else v for v in a.tolist()] for name, a in arrays.items()}


def refused():
    try:
        infer("classifier", {"text": ["123"]})
    except InferenceServerException as error:
        return [error.status(), error.message()]


told = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model ready": client.is_model_ready("classifier"),
    "server": client.get_server_metadata(as_json=True)["name"],
    "model": client.get_model_metadata("classifier", as_json=True),
    "classifier": infer("classifier", {"inputs": ["a", "the License"]}),
    "score": infer("classifier", {"inputs": ["a"]}, outputs=["score"]),
    "reader": infer("reader", {"question": ["who?"], "context": ["You may grant"]}),
    "generator": infer("generator", {"prompt": ["the License"]}, parameters={"max_new_tokens": 3}),
    "timed": infer("classifier", {"inputs": ["a"]}, client_timeout=30, request_id="7", priority=1),
    "refused": refused(),
}
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(serving) -> dict[str, Any]:
    """What Triton's client was told."""
    server: Serving = serving("classifier", "reader", "generator")
    command = [sys.executable, "-c", SCRIPT, server.target]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_the_server_is_ready(told: dict[str, Any]) -> None:
    assert [told["live"], told["ready"], told["model ready"], told["server"]] == [True, True, True, "savor"]


def test_the_model_is_described(told: dict[str, Any]) -> None:
    model = told["model"]
    assert (model["name"], model["platform"]) == ("classifier", "mlflow_transformers")
    assert model["inputs"] == [{"name": "inputs", "datatype": "BYTES", "shape": ["-1"]}]
    assert [output["name"] for output in model["outputs"]] == ["label", "score"]


def test_predictions_are_mlflows(told: dict[str, Any]) -> None:
    expected = pyfunc("classifier").predict(["a", "the License"])
    assert told["classifier"]["label"] == expected["label"].tolist()
    assert told["classifier"]["score"] == pytest.approx(expected["score"].tolist(), rel=1e-6)
    assert told["reader"]["predictions"] == pyfunc("reader").predict({"question": "who?", "context": "You may grant"})
    generated = pyfunc("generator").predict(["the License"], params={"max_new_tokens": 3})
    assert told["generator"]["predictions"] == generated


def test_what_the_client_asks_for_besides_is_taken(told: dict[str, Any]) -> None:
    assert told["score"].keys() == {"score"}
    assert told["timed"]["label"] == told["classifier"]["label"][:1]


def test_a_refusal_is_a_status_with_mlflows_words(told: dict[str, Any]) -> None:
    code, message = told["refused"]
    assert code == "StatusCode.INVALID_ARGUMENT"
    assert "ValueError: text input must be of type `str`" in message
