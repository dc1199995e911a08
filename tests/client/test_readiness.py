"""Waiting for a server: until every model is ready, no longer than asked, and not for what waiting does not mend."""

import asyncio
import socket

import grpc
import pytest

from savor.client import DeadlineExceeded, Other
from savor.v1.model_pb2 import MODEL_STATE_LOADING, MODEL_STATE_READY, ListModelsResponse, Model
from tests.client.conftest import Connector, EitherClient
from tests.client.serving import Script, failing, in_turn, serve

LOADING = ListModelsResponse(
    models=[Model(name="a", state=MODEL_STATE_READY), Model(name="b", state=MODEL_STATE_LOADING), Model(name="c")]
)
READY = ListModelsResponse(models=[Model(name="a", state=MODEL_STATE_READY)])
UNAVAILABLE = failing(grpc.StatusCode.UNAVAILABLE, "Going away.")


async def test_waits_until_every_model_is_ready(either: EitherClient, script: Script) -> None:
    script.answers["ListModels"] = in_turn(UNAVAILABLE, LOADING, READY)
    await either.call("wait_ready", timeout_s=30.0)
    assert len(script.requests) == 3


async def test_says_what_is_still_loading(either: EitherClient, script: Script) -> None:
    script.answers["ListModels"] = LOADING
    with pytest.raises(DeadlineExceeded, match=r"not ready within 0\.05 s: loading b, c"):
        await either.call("wait_ready", timeout_s=0.05)


async def test_says_what_is_wrong_with_the_connection(connector: Connector) -> None:
    async with connector("localhost:1", retries=0) as client:
        with pytest.raises(DeadlineExceeded, match=r"not ready within 0\.05 s: .*connect"):
            await client.call("wait_ready", timeout_s=0.05)


async def test_raises_at_once_what_waiting_does_not_mend(either: EitherClient, script: Script) -> None:
    script.answers["ListModels"] = failing(grpc.StatusCode.UNAUTHENTICATED, "Who are you?")
    with pytest.raises(Other, match="Who are you"):
        await either.call("wait_ready", timeout_s=30.0)


async def test_waits_for_a_server_that_starts_later(connector: Connector) -> None:
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
    async with connector(f"localhost:{port}") as client:
        waiting = asyncio.ensure_future(client.call("wait_ready", timeout_s=30.0))
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
        with serve(Script({"ListModels": READY}), port=port):
            await waiting
