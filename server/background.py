"""Work off the event loop: a few threads run functions, and what they gave comes back many at a time.

Waking the loop costs more than most of the functions take. So a thread says once that results wait, and goes on; the
loop takes all that are there.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

_Job = tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]


class Background:
    """Threads that work for one event loop, in which it is made and used."""

    def __init__(self, threads: int, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._ended: deque[tuple[asyncio.Future[Any], Any, Exception | None]] = deque()
        self._told = False
        """Whether the loop knows that results wait."""
        self._threads = [Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def run(self, function: Callable[..., ResultT], *arguments: Any) -> asyncio.Future[ResultT]:
        """What a function gives or raises."""
        result: asyncio.Future[ResultT] = self._loop.create_future()
        self._jobs.put((result, function, arguments))
        return result

    def close(self) -> None:
        """Ends the threads once all is done that was asked for."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            result, function, arguments = job
            if result.cancelled():
                # Whose caller has gone costs nothing more.
                continue
            try:
                self._ended.append((result, function(*arguments), None))
            except Exception as error:
                self._ended.append((result, None, error))
            if not self._told:
                self._told = True
                self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._told = False
        while self._ended:
            result, value, error = self._ended.popleft()
            if result.done():
                continue
            if error is None:
                result.set_result(value)
            else:
                result.set_exception(error)
