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
    """Work for somebody's `result`, and what makes its next step."""

    result: asyncio.Future[Any]
    steps: Steps[Any]
    go_on: Callable[[], Future[Any]]


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
        return self.walk(_only(function, *arguments))

    def walk(self, steps: Steps[ResultT]) -> asyncio.Future[ResultT]:
        """What a generator returns or raises. While it waits for a future it takes no thread, and the loop no part."""
        result: asyncio.Future[ResultT] = self._loop.create_future()
        self._jobs.put(_Job(result, steps, partial(next, steps)))
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
                self._go_on(job)

    def _go_on(self, job: _Job) -> None:
        try:
            waiting = job.go_on()
        except StopIteration as ended:
            self._end(job.result, ended.value, None)
        except Exception as error:
            self._end(job.result, None, error)
        else:
            waiting.add_done_callback(partial(self._resume, job))

    def _resume(self, job: _Job, waited_for: Future[Any]) -> None:
        error = waited_for.exception()
        go_on = partial(job.steps.throw, error) if error else partial(job.steps.send, waited_for.result())
        self._jobs.put(job._replace(go_on=go_on))

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


def _only(function: Callable[..., ResultT], *arguments: Any) -> Steps[ResultT]:
    """A function as work that waits for nothing."""
    yield from ()
    return function(*arguments)
