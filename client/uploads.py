"""Messages as they go to the server, and how a call that they belong to ended: no failure of either side is lost."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc.aio
from google.protobuf.message import Message

from savor.client.errors import SavorError

# What gRPC says of a call that the server ended while a message was being sent, in the place of the server's status.
_SENT_TOO_LATE = "Internal error from Core"
_STATUS_S = 2.0


class Upload:
    """The messages of a stream to the server: one that opens it, then one for each piece that `wrap` takes.

    What the pieces raise cancels the call, and is raised where its replies are read.
    """

    def __init__(self, opening: Message, wrap: Callable[[Any], Message]) -> None:
        self._opening = opening
        self._wrap = wrap
        self._rpc: Any = None
        self._error: Exception | None = None

    def messages(self, pieces: Iterable[object]) -> Iterator[Message]:
        """The messages, as fast as they are sent."""
        yield self._opening
        try:
            for piece in pieces:
                yield self._wrap(piece)
        except Exception as error:
            self._fail(error)

    async def aio_messages(self, pieces: Iterable[object] | AsyncIterable[object]) -> AsyncIterator[Message]:
        """The messages, as fast as they are sent."""
        yield self._opening
        try:
            async for piece in pieces if isinstance(pieces, AsyncIterable) else _in_turn(pieces):
                yield self._wrap(piece)
        except Exception as error:
            self._fail(error)

    def belongs_to(self, rpc: Any) -> None:
        """Says which call the messages are for. They may have failed by now."""
        self._rpc = rpc
        if self._error is not None:
            rpc.cancel()

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Raises what the pieces raised in the place of the cancelled call's error."""
        try:
            yield
        except SavorError:
            if self._error is not None:
                raise self._error from None
            raise

    def _fail(self, error: Exception) -> None:
        self._error = error
        if self._rpc is not None:
            self._rpc.cancel()


async def _in_turn(pieces: Iterable[object]) -> AsyncIterator[object]:
    for piece in pieces:
        yield piece


class Ending:
    """The status that the server ended an aio call with. gRPC may forget it for that of a message sent too late."""

    def __init__(self, rpc: Any) -> None:
        self._status: asyncio.Future[grpc.aio.AioRpcError] = asyncio.get_running_loop().create_future()
        rpc.add_done_callback(self._note)

    async def after(self, error: grpc.aio.AioRpcError) -> Any:
        """What the call ends with that raised this: raises its true error, and gives EOF where there is none."""
        if error.details() != _SENT_TOO_LATE:
            raise error
        try:
            status = await asyncio.wait_for(asyncio.shield(self._status), _STATUS_S)
        except TimeoutError:
            raise error from None
        if status.code() is not grpc.StatusCode.OK:
            raise status
        return grpc.aio.EOF

    def _note(self, rpc: Any) -> None:
        """Keeps the first status that is the server's: gRPC calls this for each, before the next replaces it."""
        code, details, trailing = (_now(each) for each in (rpc.code(), rpc.details(), rpc.trailing_metadata()))
        if details != _SENT_TOO_LATE and not self._status.done():
            self._status.set_result(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details))


def _now(answer: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives that has nothing to wait for."""
    try:
        answer.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("the call has no status yet")
