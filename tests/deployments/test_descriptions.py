"""What the plugin tells of the models in service, and what it leaves to the server's configuration."""

import json
from collections.abc import Callable

import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature

from savor.deployments import SavorDeploymentClient
from savor.v1.model_pb2 import MODEL_STATE_LOADING, GetModelResponse, Model
from tests.client.serving import Script
from tests.deployments.conftest import MODELS
from tests.parity import oracle


def test_deployments_are_the_models_in_order(deployments: SavorDeploymentClient) -> None:
    listed = deployments.list_deployments()
    assert [each["name"] for each in listed] == list(MODELS)
    assert {each["state"] for each in listed} == {"ready"}
    assert listed[0]["task"] == "text-classification"
    assert deployments.list_endpoints() == listed
    assert deployments.list_deployments(endpoint="reader") == [listed[1]]


def test_a_deployment_tells_everything(deployments: SavorDeploymentClient) -> None:
    told = deployments.get_deployment("generator")
    assert json.loads(json.dumps(told)) == told
    assert (told["name"], told["flavor"], told["unknown_parameters"]) == ("generator", "transformers", "drop")
    assert told["version"] == oracle.pyfunc("generator").metadata.model_uuid
    assert ModelSignature.from_dict(told["signature"]) == oracle.pyfunc("generator").metadata.signature
    assert "max_new_tokens" in [each["name"] for each in told["parameters"]]
    assert deployments.get_endpoint("generator") == told


def test_a_model_that_is_loading_is_told(scripted: SavorDeploymentClient, script: Script) -> None:
    script.answers["GetModel"] = GetModelResponse(model=Model(name="m", uri="models:/m/1", state=MODEL_STATE_LOADING))
    told = scripted.get_deployment("m")
    assert (told["name"], told["uri"], told["state"], told["signature"]) == ("m", "models:/m/1", "loading", None)


def test_an_unknown_deployment_does_not_exist(deployments: SavorDeploymentClient) -> None:
    with pytest.raises(MlflowException, match="no model is named 'nobody'") as caught:
        deployments.get_deployment("nobody")
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


CHANGES = [
    pytest.param(lambda client: client.create_deployment("m", "models:/m/1", config={}), id="create_deployment"),
    pytest.param(lambda client: client.update_deployment("m", model_uri="models:/m/2"), id="update_deployment"),
    pytest.param(lambda client: client.delete_deployment("m"), id="delete_deployment"),
    pytest.param(lambda client: client.create_endpoint("m"), id="create_endpoint"),
    pytest.param(lambda client: client.update_endpoint("m"), id="update_endpoint"),
    pytest.param(lambda client: client.delete_endpoint("m"), id="delete_endpoint"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_the_server_s_configuration(
    scripted: SavorDeploymentClient, script: Script, change: Callable[[SavorDeploymentClient], object]
) -> None:
    with pytest.raises(MlflowException, match="savor serve") as caught:
        change(scripted)
    assert caught.value.error_code == "NOT_IMPLEMENTED"
    assert script.requests == []


def test_nothing_is_explained(scripted: SavorDeploymentClient) -> None:
    with pytest.raises(MlflowException, match="explanations is not yet supported"):
        scripted.explain("m", None)
