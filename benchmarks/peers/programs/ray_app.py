"""Ray Serve with the typed RPC of text classification: `python ray_app.py FOLDER PORT BATCHED`.

The messages are this project's own, so that nothing but the server differs from what Savor is called with.
"""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import ray  # type: ignore[import-not-found]
from classifier import Classifier  # type: ignore[import-not-found]
from ray import serve

from savor.v1.text_classification_pb2 import ClassifyTextResponse

_SERVICER = "savor.v1.text_classification_pb2_grpc.add_TextClassificationServiceServicer_to_server"
_LARGEST_BATCH, _ONGOING = 32, 256


@serve.deployment(max_ongoing_requests=_ONGOING)
class Single:
    """Runs each call's texts by themselves."""

    def __init__(self, folder: str) -> None:
        self._classify = Classifier(Path(folder))

    async def ClassifyText(self, request: Any) -> Any:  # noqa: N802
        """One call."""
        return _response(self._classify([given.text for given in request.inputs]))


@serve.deployment(max_ongoing_requests=_ONGOING)
class Batched:
    """Runs the texts of calls that wait at the same time as one batch."""

    def __init__(self, folder: str) -> None:
        self._classify = Classifier(Path(folder))

    async def ClassifyText(self, request: Any) -> Any:  # noqa: N802
        """One call."""
        answers = await asyncio.gather(*(self._answer(given.text) for given in request.inputs))
        return _response(answers)

    # No waiting: what has come while a batch ran is the next one.
    @serve.batch(max_batch_size=_LARGEST_BATCH, batch_wait_timeout_s=0.0)  # type: ignore[untyped-decorator]
    async def _answer(self, texts: list[str]) -> list[tuple[str, float]]:
        answers: list[tuple[str, float]] = self._classify(texts)
        return answers


def _response(answers: list[tuple[str, float]]) -> Any:
    response = ClassifyTextResponse()
    for label, score in answers:
        response.results.add().labels.add(label=label, score=score)
    return response


def main(folder: str, port: str, batched: str) -> None:
    """Serves until it is ended."""
    ray.init(num_cpus=4, include_dashboard=False, logging_level=logging.WARNING, log_to_driver=False)
    serve.start(
        grpc_options=serve.config.gRPCOptions(port=int(port), grpc_servicer_functions=[_SERVICER]),
        proxy_location="HeadOnly",
    )
    deployment: Any = Batched if batched == "yes" else Single
    serve.run(deployment.bind(folder), blocking=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
