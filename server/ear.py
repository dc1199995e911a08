"""What a client says in a dialogue, taken as it comes: so much ahead of who answers, and no more.

What is not taken yet waits in the connection, whose flow control keeps the client from sending on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

_AHEAD_BYTES = 1 << 20


class Ear:
    """The messages of one client, parsed. Used as a context, within which it listens."""

    def __init__(self, messages: AsyncIterator[Any]) -> None:
        self._messages = messages
        self._heard: list[Any] = []
        self._held_bytes = 0
        self._ended = False
        self._failure: Exception | None = None
        self._moved, self._room = asyncio.Event(), asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Ear:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def take(self) -> tuple[Sequence[Any], bool]:
        """What was heard since the last time, at least something or the end, and whether that was all.

        Raises what the stream failed with.
        """
        await self._moved.wait()
        self._moved.clear()
        if self._failure is not None:
            raise self._failure
        heard, self._heard, self._held_bytes = self._heard, [], 0
        self._room.set()
        return heard, self._ended

    async def _listen(self) -> None:
        try:
            async for message in self._messages:
                self._heard.append(message)
                self._held_bytes += message.ByteSize()
                self._moved.set()
                if self._held_bytes >= _AHEAD_BYTES:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:
            self._failure = error
        finally:
            self._ended = True
            self._moved.set()
