"""Replies as they come: an iterator for threads and one for asyncio; closing or dropping either cancels its call."""

from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Generic, Self

import grpc.aio

from savor.client.calls import Call, Reply
from savor.client.errors import own_errors
from savor.client.uploads import Ending, Upload


class Stream(Generic[Reply], Iterator[Reply]):
    """The replies of one call, as they come. `close`, or leaving its `with` block, cancels the call."""

    def __init__(self, call: Call[..., Reply], rpc: Any, upload: Upload | None = None) -> None:
        self._call = call
        self._rpc = rpc
        self._closed = False
        self._failures = upload.failures if upload else nullcontext
        if upload:
            upload.belongs_to(rpc)

    def __next__(self) -> Reply:
        """The next reply. Raises SavorError where the call fails."""
        if self._closed:
            raise StopIteration
        with self._failures(), own_errors():
            response = next(self._rpc)
        return self._call.read(response)

    def close(self) -> None:
        """Cancels the call, unless it has ended. The stream gives nothing more."""
        self._closed = True
        self._rpc.cancel()

    def __del__(self) -> None:
        # A thread that waits for the next piece of an upload holds the call itself.
        self._rpc.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AioStream(Generic[Reply], AsyncIterator[Reply]):
    """The replies of one call, as they come. `aclose`, or leaving its `async with` block, cancels the call."""

    def __init__(self, call: Call[..., Reply], rpc: Any, upload: Upload | None = None) -> None:
        self._call = call
        self._rpc = rpc
        self._closed = False
        self._failures = upload.failures if upload else nullcontext
        self._ending = Ending(rpc)
        if upload:
            upload.belongs_to(rpc)

    async def __anext__(self) -> Reply:
        """The next reply. Raises SavorError where the call fails."""
        if self._closed:
            raise StopAsyncIteration
        with self._failures(), own_errors():
            response = await self._read()
        if response is grpc.aio.EOF:
            raise StopAsyncIteration
        return self._call.read(response)

    async def _read(self) -> Any:
        try:
            return await self._rpc.read()
        except grpc.aio.AioRpcError as error:
            return await self._ending.after(error)

    async def aclose(self) -> None:
        """Cancels the call, unless it has ended. The stream gives nothing more."""
        self._closed = True
        self._rpc.cancel()

    def __del__(self) -> None:
        # The event loop holds the call itself: dropped in the middle, it would go on until its deadline.
        self._rpc.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
