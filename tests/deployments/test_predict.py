"""`predict` against MLflow in this process: the same inputs, the same predictions; payloads go as they are."""

import json
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from google.protobuf.message import Message
from mlflow.deployments import PredictionsResponse
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from mlflow.pyfunc.utils.serving_data_parser import SUPPORTED_LLM_FORMATS

from savor.deployments import SavorDeploymentClient, payload
from savor.v1.pyfunc_pb2 import PredictResponse
from tests.client.serving import Context, Script
from tests.parity import oracle

TEXTS = ["what a day", "oh no"]
QUESTION = {"question": "who sat?", "context": "the cat sat"}
CHAT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}

INPUTS = [
    pytest.param("classifier", "what a day", id="text"),
    pytest.param("classifier", TEXTS, id="list"),
    pytest.param("classifier", pd.DataFrame({"text": TEXTS}), id="data frame"),
    pytest.param(
        "classifier", pd.DataFrame({"text": TEXTS}, index=pd.to_datetime(["2024", "2025"])), id="dates as index"
    ),
    pytest.param("reader", pd.DataFrame([QUESTION, QUESTION]), id="data frame of columns"),
    pytest.param("reader", QUESTION, id="dict of columns"),
]


@pytest.mark.parametrize(("model", "inputs"), INPUTS)
def test_predictions_are_those_of_pyfunc(deployments: SavorDeploymentClient, model: str, inputs: Any) -> None:
    reply = deployments.predict(model, inputs)
    assert type(reply) is PredictionsResponse
    expected = pd.DataFrame(oracle.pyfunc(model).predict(inputs))
    pd.testing.assert_frame_equal(reply.get_predictions(), expected, check_dtype=False)


ARRAYS = [
    pytest.param(np.array(TEXTS), id="array"),
    pytest.param(np.array(TEXTS, object), id="array of objects"),
    pytest.param(pd.Series(TEXTS), id="series"),
    pytest.param({"inputs": np.array(TEXTS)}, id="payload with an array"),
    pytest.param({"instances": TEXTS}, id="instances"),
    pytest.param({"dataframe_records": [{"text": text} for text in TEXTS]}, id="records"),
    pytest.param({"dataframe_split": {"columns": ["text"], "data": [[text] for text in TEXTS]}}, id="split"),
]


@pytest.mark.parametrize("inputs", ARRAYS)
def test_the_same_texts_in_another_form_get_the_same_answer(deployments: SavorDeploymentClient, inputs: Any) -> None:
    assert deployments.predict("classifier", inputs) == deployments.predict("classifier", TEXTS)


def test_params_go_with_a_payload(deployments: SavorDeploymentClient) -> None:
    reply = deployments.predict("generator", {"inputs": ["the License"], "params": {"max_new_tokens": 1}})
    [text] = reply["predictions"]
    [longer] = deployments.predict("generator", ["the License"])["predictions"]
    assert longer.startswith(text)
    assert len(text) < len(longer)


def test_a_chat_is_answered_as_it_is(deployments: SavorDeploymentClient) -> None:
    [reply] = deployments.predict(endpoint="llm-chat", inputs=CHAT)
    assert reply["object"] == "chat.completion"
    assert reply["usage"]["completion_tokens"] == 3
    [row] = deployments.predict(endpoint="llm-chat", inputs=pd.DataFrame([CHAT]))["predictions"]
    assert row["choices"] == reply["choices"]


def test_the_keys_of_payloads_are_mlflow_s() -> None:
    assert payload.DATA_KEYS == scoring_server.SUPPORTED_FORMATS
    assert payload.UNIFIED_KEYS == SUPPORTED_LLM_FORMATS


UNUSABLE = [
    pytest.param(None, "inputs is missing", id="nothing"),
    pytest.param(object(), "can't be written as JSON", id="an object"),
    pytest.param({"inputs": {"a": {1, 2}}}, "can't be written as JSON", id="a set within"),
]


@pytest.mark.parametrize(("inputs", "sentence"), UNUSABLE)
def test_unusable_inputs_are_refused(
    scripted: SavorDeploymentClient, script: Script, inputs: Any, sentence: str
) -> None:
    with pytest.raises(MlflowException, match=sentence) as caught:
        scripted.predict("m", inputs)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert script.requests == []


NAMES = [
    pytest.param({"deployment_name": "m"}, "m", id="deployment"),
    pytest.param({"endpoint": "m@champion"}, "m@champion", id="endpoint"),
    pytest.param({"deployment_name": "m", "endpoint": "m"}, "m", id="both"),
    pytest.param({}, "", id="the server's only model"),
]


@pytest.mark.parametrize(("names", "model"), NAMES)
def test_the_model_is_the_deployment_or_the_endpoint(
    scripted: SavorDeploymentClient, script: Script, names: dict[str, str], model: str
) -> None:
    script.answers["Predict"] = PredictResponse(json='{"predictions": []}')
    scripted.predict(inputs="a", **names)
    [request] = script.requests
    assert (request.model, json.loads(request.json)) == (model, {"inputs": "a"})


def test_two_models_at_once_are_refused(scripted: SavorDeploymentClient) -> None:
    with pytest.raises(MlflowException, match="'a' or 'b', not both"):
        scripted.predict("a", "text", endpoint="b")


def test_mlflow_s_timeout_is_the_call_s(
    scripted: SavorDeploymentClient, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.answers["Predict"] = PredictResponse(json="[]")
    monkeypatch.setenv(mlflow.environment_variables.MLFLOW_DEPLOYMENT_PREDICT_TIMEOUT.name, "7")
    assert scripted.predict("m", "a") == []
    [timeout_s] = script.timeouts_s
    assert timeout_s is not None
    assert 0 < timeout_s < 8


def test_warnings_are_logged(scripted: SavorDeploymentClient, script: Script, caplog: pytest.LogCaptureFixture) -> None:
    def answer(_request: Message, _context: Context) -> PredictResponse:
        return PredictResponse(json="[]", warnings=["100% was ignored"])

    script.answers["Predict"] = answer
    scripted.predict("m", "a")
    assert "100% was ignored" in caplog.messages
