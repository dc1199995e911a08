"""Every failure leaves the plugin as an MlflowException with the code that fits and the server's own sentence."""

import grpc
import pytest
from mlflow.exceptions import MlflowException

from savor.client import SavorError
from savor.deployments import SavorDeploymentClient
from tests.client.serving import Script, failing

CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: "INVALID_PARAMETER_VALUE",
    grpc.StatusCode.FAILED_PRECONDITION: "INVALID_PARAMETER_VALUE",
    grpc.StatusCode.NOT_FOUND: "RESOURCE_DOES_NOT_EXIST",
    grpc.StatusCode.UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.CANCELLED: "CANCELLED",
    grpc.StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    grpc.StatusCode.PERMISSION_DENIED: "PERMISSION_DENIED",
    grpc.StatusCode.UNIMPLEMENTED: "NOT_IMPLEMENTED",
    grpc.StatusCode.INTERNAL: "INTERNAL_ERROR",
    grpc.StatusCode.DATA_LOSS: "INTERNAL_ERROR",
}


@pytest.mark.parametrize(("status", "code"), CODES.items(), ids=[each.name for each in CODES])
def test_a_status_has_its_code(
    scripted: SavorDeploymentClient, script: Script, status: grpc.StatusCode, code: str
) -> None:
    script.answers["Predict"] = failing(status, "The server's sentence.")
    with pytest.raises(MlflowException) as caught:
        scripted.predict("m", "a")
    assert (caught.value.error_code, caught.value.message) == (code, "The server's sentence.")
    assert isinstance(caught.value.__cause__, SavorError)


def test_a_server_that_is_not_there_is_temporarily_unavailable() -> None:
    client = SavorDeploymentClient("savor://localhost:1")
    with pytest.raises(MlflowException, match="onnect") as caught:
        client.list_deployments()
    assert caught.value.error_code == "TEMPORARILY_UNAVAILABLE"


def test_a_closed_client_says_so(script: Script) -> None:
    client = SavorDeploymentClient(f"savor://{script.target}")
    client.close()
    with pytest.raises(MlflowException, match="closed"):
        client.list_deployments()


def test_what_mlflow_refuses_is_told_in_its_words(deployments: SavorDeploymentClient) -> None:
    with pytest.raises(MlflowException, match="missing inputs") as caught:
        deployments.predict("reader", {"question": "who?"})
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
