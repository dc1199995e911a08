"""What a client says is taken as it comes, some ahead and no more, and what its stream fails with is told."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from savor.flavor.errors import InvalidInput
from savor.server.ear import Ear
from savor.v1.speech_recognition_pb2 import StreamingRecognizeSpeechRequest

KILOBYTE = StreamingRecognizeSpeechRequest(samples=bytes(1024))


async def _stream(count: int, taken: list[int], failure: Exception | None = None) -> AsyncIterator[object]:
    for index in range(count):
        taken.append(index)
        yield KILOBYTE
    if failure is not None:
        raise failure


async def _all(ear: Ear) -> int:
    count, ended = 0, False
    while not ended:
        heard, ended = await ear.take()
        count += len(heard)
    return count


async def test_every_message_is_taken_once() -> None:
    taken: list[int] = []
    async with Ear(_stream(5000, taken)) as ear:
        assert await _all(ear) == len(taken) == 5000


async def test_no_more_than_a_megabyte_is_taken_ahead() -> None:
    taken: list[int] = []
    async with Ear(_stream(5000, taken)) as ear:
        for _ in range(20):
            await asyncio.sleep(0)
        ahead = len(taken)
        assert ahead <= 1024
        heard, ended = await ear.take()
        assert len(heard) == ahead
        assert not ended
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(taken) > ahead


async def test_the_end_of_silence_is_told() -> None:
    async with Ear(_stream(0, [])) as ear:
        assert await ear.take() == ([], True)


async def test_a_failure_is_told() -> None:
    async with Ear(_stream(1, [], InvalidInput.at("request", "is none"))) as ear:
        with pytest.raises(InvalidInput, match="request: is none"):
            await _all(ear)


async def test_listening_ends_with_the_context() -> None:
    before = len(asyncio.all_tasks())
    async with Ear(_stream(5000, [])) as ear:
        await ear.take()
        assert len(asyncio.all_tasks()) == before + 1
    assert len(asyncio.all_tasks()) == before
