import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from savor.client import AioClient, Client, connect, connect_aio
from tests.client.serving import Script, serve


@pytest.fixture
def script() -> Iterator[Script]:
    with serve(Script()) as running:
        yield running


class EitherClient:
    """The sync or the aio client behind one face, so that a test says once what both must do."""

    def __init__(self, client: Client | AioClient) -> None:
        self.client = client

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One unary call; the sync client makes it in a thread."""
        if isinstance(self.client, Client):
            return await asyncio.to_thread(getattr(self.client, method), *args, **kwargs)
        return await getattr(self.client, method)(*args, **kwargs)

    async def stream(self, *args: Any, method: str = "stream_generate_text", **kwargs: Any) -> list[Any]:
        """All replies of a stream."""
        open_stream = getattr(self.client, method)
        if isinstance(self.client, AioClient):
            return [reply async for reply in open_stream(*args, **kwargs)]
        return await asyncio.to_thread(lambda: list(open_stream(*args, **kwargs)))

    async def ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """The reply of a call, or all replies where it streams."""
        if method.startswith("stream_"):
            return await self.stream(*args, method=method, **kwargs)
        return await self.call(method, *args, **kwargs)

    async def close(self) -> None:
        closing = self.client.close()
        if inspect.isawaitable(closing):
            await closing


class Connector:
    """Opens clients of one kind, sync or aio."""

    def __init__(self, kind: str) -> None:
        self.open = connect if kind == "sync" else connect_aio

    @asynccontextmanager
    async def __call__(self, target: str, **settings: Any) -> AsyncIterator[EitherClient]:
        either = EitherClient(self.open(target, **settings))
        try:
            yield either
        finally:
            await either.close()


@pytest.fixture(params=["sync", "aio"])
def connector(request: pytest.FixtureRequest) -> Connector:
    return Connector(request.param)


@pytest.fixture
async def either(connector: Connector, script: Script) -> AsyncIterator[EitherClient]:
    async with connector(script.target, retries=0, timeout_s=20.0) as client:
        yield client
