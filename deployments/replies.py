"""What came back, in MLflow's types; what the server warned of goes to the log, so that none of it is lost."""

import logging
from collections.abc import Iterable
from typing import Any

from mlflow.deployments import PredictionsResponse

_log = logging.getLogger(__name__)


def answer(reply: Any) -> Any:
    """What the scoring server answered: a PredictionsResponse, or as it is for the unified form of language models."""
    match reply:
        case {"predictions": _}:
            return PredictionsResponse(reply)
    return reply


def tell(warnings: Iterable[str]) -> None:
    """Logs what the caller should know, such as options that the model's signature does not take."""
    for warning in warnings:
        _log.warning("%s", warning)
