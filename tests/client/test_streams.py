"""How streams end: at their end, by closing, by leaving the block, by dropping them, by cancelling the task."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from savor.client import AioStream, Cancelled, Stream, StreamGenerateTextReply, connect, connect_aio
from savor.v1.text_generation_pb2 import StreamGenerateTextResponse
from tests.client.serving import Context, Script


@pytest.fixture
def cancelled(script: Script) -> Iterator[threading.Event]:
    """A server that sends one message and then waits: the event is set when the call ends."""
    ended = threading.Event()

    def answer(_request: Any, context: Context) -> Any:
        context.add_callback(ended.set)
        yield StreamGenerateTextResponse(model_version="1")
        ended.wait(30)

    script.answers["StreamGenerateText"] = answer
    yield ended
    ended.set()


Reply = StreamGenerateTextReply


def _close(stream: Stream[Reply]) -> None:
    next(stream)
    stream.close()
    assert list(stream) == []
    stream.close()


def _leave(stream: Stream[Reply]) -> None:
    with stream:
        next(stream)


def _drop(stream: Stream[Reply]) -> None:
    for _each in stream:
        break


SYNC_ENDS = [
    pytest.param(_close, id="close"),
    pytest.param(_leave, id="leave the block"),
    pytest.param(_drop, id="drop"),
]


@pytest.mark.parametrize("end", SYNC_ENDS)
def test_ending_a_stream_cancels_the_call(
    script: Script, cancelled: threading.Event, end: Callable[[Stream[Reply]], object]
) -> None:
    with connect(script.target) as client:
        end(client.stream_generate_text("a"))
        gc.collect()
        assert cancelled.wait(10)


async def _aio_close(stream: AioStream[Reply]) -> None:
    await anext(stream)
    await stream.aclose()
    assert [each async for each in stream] == []
    await stream.aclose()


async def _aio_leave(stream: AioStream[Reply]) -> None:
    async with stream:
        await anext(stream)


async def _aio_drop(stream: AioStream[Reply]) -> None:
    async for _each in stream:
        break


async def _aio_cancel(stream: AioStream[Reply]) -> None:
    first = asyncio.Event()

    async def read() -> None:
        async for _each in stream:
            first.set()

    task = asyncio.create_task(read())
    await first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _aio_time_out(stream: AioStream[Reply]) -> None:
    await anext(stream)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await anext(stream)


AIO_ENDS = [
    pytest.param(_aio_close, id="close"),
    pytest.param(_aio_leave, id="leave the block"),
    pytest.param(_aio_drop, id="drop"),
    pytest.param(_aio_cancel, id="cancel the task"),
    pytest.param(_aio_time_out, id="asyncio.timeout"),
]


@pytest.mark.parametrize("end", AIO_ENDS)
async def test_ending_an_aio_stream_cancels_the_call(
    script: Script, cancelled: threading.Event, end: Callable[[AioStream[Reply]], Any]
) -> None:
    async with connect_aio(script.target) as client:
        await end(client.stream_generate_text("a"))
        gc.collect()
        assert await asyncio.to_thread(cancelled.wait, 10)


async def test_a_stream_closed_before_its_first_reply_gives_none(script: Script) -> None:
    script.answers["StreamGenerateText"] = lambda _request, _context: iter([StreamGenerateTextResponse()])
    with connect(script.target) as client, client.stream_generate_text("a") as stream:
        stream.close()
        assert list(stream) == []
    async with connect_aio(script.target) as aio_client, aio_client.stream_generate_text("a") as aio_stream:
        await aio_stream.aclose()
        assert [each async for each in aio_stream] == []


async def test_cancelling_the_task_cancels_an_aio_call(script: Script) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def wait(_request: Any, context: Context) -> Any:
        context.add_callback(ended.set)
        arrived.set()
        ended.wait(30)

    script.answers["ListModels"] = wait
    async with connect_aio(script.target) as client:
        task = asyncio.create_task(client.list_models())
        await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(ended.wait, 10)


@pytest.mark.usefixtures("cancelled")
async def test_closing_an_aio_stream_ends_a_read_elsewhere(script: Script) -> None:
    async with connect_aio(script.target) as client:
        stream = client.stream_generate_text("a")
        await anext(stream)
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await stream.aclose()
        with pytest.raises(Cancelled):
            await reading


@pytest.mark.usefixtures("cancelled")
def test_closing_a_stream_ends_a_read_elsewhere(script: Script) -> None:
    with connect(script.target) as client:
        stream = client.stream_generate_text("a")
        next(stream)
        timer = threading.Timer(0.05, stream.close)
        timer.start()
        with pytest.raises(Cancelled):
            next(stream)
        timer.join()
