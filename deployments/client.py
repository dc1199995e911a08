"""MLflow's deployments client: a deployment is a model in service, so is an endpoint, and none is made from here."""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from mlflow.deployments import BaseDeploymentClient
from mlflow.environment_variables import MLFLOW_DEPLOYMENT_PREDICT_TIMEOUT, MLFLOW_HTTP_REQUEST_TIMEOUT

from savor.client import Model
from savor.deployments import streams, target
from savor.deployments.descriptions import deployment, summary
from savor.deployments.failures import as_mlflow, configured, unusable
from savor.deployments.payload import body
from savor.deployments.replies import answer, tell


class SavorDeploymentClient(BaseDeploymentClient):
    """Calls to one Savor server, safe to share between threads. It raises MlflowException alone.

    Models are named by `deployment_name` or by `endpoint`: "name", "name@version" or "name@alias"; neither is needed
    where the server has one model only. `MLFLOW_DEPLOYMENT_PREDICT_TIMEOUT` is the seconds that a prediction may take.
    """

    def __init__(self, target_uri: str) -> None:
        super().__init__(target_uri)
        self._client = target.connected(target_uri)

    def close(self) -> None:
        """Cancels the calls under way and closes the channel."""
        self._client.close()

    def predict(self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None) -> Any:
        """What MLflow's scoring server would answer.

        `inputs` is a pandas data frame, a numpy array, a dict of columns, a list or a text; or a dict as the scoring
        server takes it, with inputs, instances, dataframe_split or dataframe_records and perhaps params, or with
        messages, prompt or input. Gives a PredictionsResponse; for those last three, what the model answers as it is.
        """
        name, request = _name(deployment_name, endpoint), body(inputs)
        with as_mlflow():
            reply = self._client.predict(request, model=name, timeout_s=MLFLOW_DEPLOYMENT_PREDICT_TIMEOUT.get())
        tell(reply.warnings)
        return answer(reply.body)

    def predict_stream(
        self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """What a model writes as it comes: chunks as OpenAI and MLflow's gateway send them.

        `inputs` is a dict of messages (a chat), of prompt or of inputs (one text), and of options: OpenAI's, such as
        max_tokens, temperature, n, stop and seed, or transformers', there or in params. The call is made at once;
        closing the iterator cancels it.
        """
        request = streams.read(inputs, _name(deployment_name, endpoint))
        model = self._model(request.model)
        return streams.opened(self._client, model, request, MLFLOW_DEPLOYMENT_PREDICT_TIMEOUT.get())

    def list_deployments(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """The models, in the order of the server's configuration; with `endpoint`, that one alone."""
        if endpoint is not None:
            return [summary(self._model(endpoint))]
        with as_mlflow():
            return [summary(model) for model in self._client.list_models(timeout_s=_timeout_s()).models]

    def get_deployment(self, name: str, endpoint: str | None = None) -> dict[str, Any]:
        """Everything about a model: version, task, state, signature, parameters, limits and the rest."""
        return deployment(self._model(_name(name, endpoint)))

    def list_endpoints(self) -> list[dict[str, Any]]:
        """The models, as `list_deployments` gives them."""
        return self.list_deployments()

    def get_endpoint(self, endpoint: str) -> dict[str, Any]:
        """Everything about a model, as `get_deployment` gives it."""
        return self.get_deployment(endpoint)

    def create_deployment(
        self,
        name: str,
        model_uri: str,
        flavor: str | None = None,
        config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> NoReturn:
        """Refused: the server's configuration says what is served."""
        raise configured("creating a deployment")

    def update_deployment(
        self,
        name: str,
        model_uri: str | None = None,
        flavor: str | None = None,
        config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> NoReturn:
        """Refused: the server's configuration says what is served."""
        raise configured("updating a deployment")

    def delete_deployment(
        self, name: str, config: Mapping[str, Any] | None = None, endpoint: str | None = None
    ) -> NoReturn:
        """Refused: the server's configuration says what is served."""
        raise configured("deleting a deployment")

    def create_endpoint(self, name: str, config: Mapping[str, Any] | None = None) -> NoReturn:
        """Refused: the server's configuration says what is served."""
        raise configured("creating an endpoint")

    def update_endpoint(self, endpoint: str, config: Mapping[str, Any] | None = None) -> NoReturn:
        """Refused: the server's configuration says what is served."""
        raise configured("updating an endpoint")

    def delete_endpoint(self, endpoint: str) -> NoReturn:
        """Refused: the server's configuration says what is served."""
        raise configured("deleting an endpoint")

    def _model(self, name: str) -> Model:
        with as_mlflow():
            return self._client.get_model(name, timeout_s=_timeout_s()).model


def _name(deployment_name: str | None, endpoint: str | None) -> str:
    if deployment_name and endpoint and deployment_name != endpoint:
        raise unusable(
            f"an endpoint and its deployment are one model here: {deployment_name!r} or {endpoint!r}, not both"
        )
    return endpoint or deployment_name or ""


def _timeout_s() -> float:
    return float(MLFLOW_HTTP_REQUEST_TIMEOUT.get())
