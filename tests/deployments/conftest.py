from collections.abc import Callable, Iterator

import pytest
from mlflow.deployments import get_deploy_client

from savor.deployments import SavorDeploymentClient
from tests.client.serving import Script, serve
from tests.serving import Serving

MODELS = ("classifier", "reader", "llm-chat", "generator", "text2text", "summarizer", "translator")


@pytest.fixture(scope="session")
def target(serving: Callable[..., Serving]) -> str:
    """The target URI of a real server."""
    return f"savor://{serving(*MODELS).target}"


@pytest.fixture(scope="session")
def deployments(target: str) -> Iterator[SavorDeploymentClient]:
    """MLflow's client of that server, found as MLflow finds it."""
    client = get_deploy_client(target)
    yield client
    client.close()


@pytest.fixture
def script() -> Iterator[Script]:
    with serve(Script()) as running:
        yield running


@pytest.fixture
def scripted(script: Script) -> Iterator[SavorDeploymentClient]:
    """A client of a server with scripted answers."""
    client = SavorDeploymentClient(f"savor://{script.target}")
    yield client
    client.close()
