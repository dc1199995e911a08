"""Work off the event loop: a few threads run functions, and what they gave comes back many at a time.

Waking the loop costs more than most of the functions take. So a thread says once that results wait, and goes on; the
loop takes all that are there.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, TypeVar

ResultT = TypeVar("ResultT")

Steps = Generator[Future[Any], Any, ResultT]
"""Work with waits in between: each future that it yields, it is given the result of."""


class _Job(NamedTuple):
    """What is to be done next for somebody's `result`; the rest of it, where it has several steps."""

    result: asyncio.Future[Any]
    act: Callable[[], Any]
    steps: Steps[Any] | None = None


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
        self._jobs.put(_Job(result, partial(function, *arguments)))
        return result

    def walk(self, steps: Steps[ResultT]) -> asyncio.Future[ResultT]:
        """What a generator returns or raises. While it waits for a future it takes no thread, and the loop no part."""
        result: asyncio.Future[ResultT] = self._loop.create_future()
        self._jobs.put(_Job(result, partial(next, steps), steps))
        return result

    def close(self) -> None:
        """Ends the threads once all is done that was asked for."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            # Whose caller has gone costs nothing more.
            if not job.result.cancelled():
                self._act(job)

    def _act(self, job: _Job) -> None:
        try:
            value = job.act()
        except StopIteration as ended:
            self._end(job.result, ended.value, None)
        except Exception as error:
            self._end(job.result, None, error)
        else:
            if job.steps is None:
                self._end(job.result, value, None)
            else:
                value.add_done_callback(partial(self._resume, job.result, job.steps))

    def _resume(self, result: asyncio.Future[Any], steps: Steps[Any], waited_for: Future[Any]) -> None:
        error = waited_for.exception()
        act = partial(steps.throw, error) if error else partial(steps.send, waited_for.result())
        self._jobs.put(_Job(result, act, steps))

    def _end(self, result: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
        self._ended.append((result, value, error))
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
