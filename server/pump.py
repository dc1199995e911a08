"""Between callers and one backend: admits items, hands batches to the backend's thread, brings rows to their calls.

Calls are admitted from any thread. The backend's thread waits for nobody: it cuts its batches itself, each when the one
before has ended, and tells each call's future. What was admitted is answered: when a batch fails its items run again
one by one, so that only the guilty call fails.
"""

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from savor.accel.backend import Backend, Batch, RefusedOptions
from savor.flavor.errors import DeadlinePassed, ExecutionFailed, InvalidInput, NotReady, Overloaded, SavorError
from savor.flavor.item import Item, Row
from savor.server import scheduling
from savor.server.batching import Budget, Queue
from savor.server.call import Call

_log = logging.getLogger(__name__)

_WAITING = 0.5
"""The share of a call's time that others may take before it: what is left has room for its own, and for errors."""
_TOO_LATE = "the call's time was over before the model came to it"


@dataclass(frozen=True)
class Answer:
    """The rows of a call in input order, with the seconds it waited and the seconds its batches ran."""

    rows: Sequence[Row]
    queue_s: float
    run_s: float


@dataclass(eq=False)
class _Stream:
    """The items of a call that have new rows. Of the event loop alone."""

    fresh: dict[int, Row] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, ended: asyncio.Future[Answer]) -> None:
        # Nobody may be left to ask for a failure, and asyncio complains of those.
        ended.exception()
        self.moved.set()

    def take(self) -> Mapping[int, Row]:
        self.moved.clear()
        fresh, self.fresh = self.fresh, {}
        return fresh


@dataclass(eq=False)
class _Job:
    """The items of one call on their way through the backend, whose thread alone changes it."""

    call: Call
    rows: list[Row]
    missing: int
    done: Future[Answer] = field(default_factory=Future)
    stream: _Stream | None = None
    ended_s: float = 0.0
    run_s: float = 0.0

    def answer(self) -> Answer:
        return Answer(self.rows, max(self.ended_s - self.call.admitted_s - self.run_s, 0.0), self.run_s)


@dataclass(frozen=True, eq=False)
class _Entry:
    """One item in the queue."""

    item: Item
    index: int
    job: _Job

    def alive(self) -> bool:
        return not self.job.done.done() and self.job.call.alive()


class _Pace:
    """How fast a queue moves while calls wait in it: a running mean over the batches that left others behind.

    That counts what comes between the batches too. Where all that waits fits into a batch nothing can be told from it,
    for a batch of more items need not take longer.
    """

    def __init__(self) -> None:
        self._token_s = 0.0
        self._cut_s, self._tokens = 0.0, 0

    def note(self, tokens: int, *, more: bool) -> None:
        """Notes that a batch of so many tokens begins now, and whether more were waiting."""
        now_s = time.perf_counter()
        if self._tokens:
            token_s = (now_s - self._cut_s) / self._tokens
            self._token_s += 0.1 * (token_s - self._token_s) if self._token_s else token_s
        self._cut_s, self._tokens = now_s, tokens if more else 0

    def tokens_in(self, seconds: float) -> float:
        """The tokens that a time is enough for; without end as long as nothing is known."""
        return seconds / self._token_s if self._token_s else math.inf

    def seconds_for(self, tokens: int) -> float:
        """The time that so many tokens take."""
        return tokens * self._token_s


class Pump:
    """Runs one model's queue. Made and closed within one event loop."""

    def __init__(self, backend: Backend, budget: Budget, name: str) -> None:
        self.backend = backend
        self._queue: Queue[_Entry] = Queue(budget)
        self._turn = threading.Condition()
        """Guards the queue, and tells the backend's thread that it has changed."""
        self._thread = ThreadPoolExecutor(1, f"savor-{name}", scheduling.compute)
        self._pace = _Pace()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._work = self._loop.run_in_executor(self._thread, self._serve)

    def check(self, call: Call) -> None:
        """Raises Overloaded where what waits before a call would take too much of the time that it has.

        Without this every call of an overloaded server would be answered just when its time is over.
        """
        left_s = _WAITING * (call.deadline_s - time.perf_counter())
        with self._turn:
            too_late = self._queue.holds_more(self._pace.tokens_in(left_s))
        if too_late:
            sentence = f"the calls before this one take more than {left_s:.2g} s: try again later, or with more time"
            raise Overloaded(sentence, max(left_s, 0.05))

    def admit(self, items: Sequence[Item], call: Call) -> Future[Answer]:
        """The answer to a call, rows of all its items. Raises Overloaded, and NotReady once the pump closes.

        The future raises what the backend's failure means for this call; `call.leave` ends the waiting for it.
        """
        return self._admit(items, call, None).done

    async def stream(self, items: Sequence[Item], call: Call) -> AsyncIterator[tuple[Mapping[int, Row], Answer]]:
        """The latest rows of the items that moved on, by index, until all have ended; with the times so far.

        The last is empty, and has all of the times.
        """
        stream = _Stream()
        job = self._admit(items, call, stream)
        # Comes to the loop behind the last rows.
        ended = asyncio.wrap_future(job.done)
        ended.add_done_callback(stream.end)
        while not ended.done() or stream.fresh:
            await stream.moved.wait()
            if ended.done():
                ended.result()
            if fresh := stream.take():
                yield fresh, job.answer()
        yield {}, ended.result()

    async def close(self) -> None:
        """Answers what was admitted, then frees the backend."""
        with self._turn:
            self._closing = True
            self._turn.notify()
        await self._work
        await self._loop.run_in_executor(self._thread, self.backend.close)
        self._thread.shutdown()

    def _admit(self, items: Sequence[Item], call: Call, stream: _Stream | None) -> _Job:
        job = _Job(call, [{}] * len(items), len(items), stream=stream)
        job.done.set_running_or_notify_cancel()
        entries = [_Entry(item, index, job) for index, item in enumerate(items)]
        with self._turn:
            if self._closing:
                raise NotReady("the server is shutting down: call another one")
            self._queue.put(entries, min(max(self._pace.seconds_for(self._queue.tokens), 0.05), 30.0))
            self._turn.notify()
        if not items:
            job.done.set_result(job.answer())
        return job

    def _serve(self) -> None:
        """Cuts and runs batches until the pump closes. On the backend's thread."""
        while batch := self._next():
            self._execute(batch)

    def _next(self) -> Sequence[_Entry]:
        """The next batch, cut at the last moment; none once the pump closes and nobody waits."""
        with self._turn:
            while True:
                cut = self._queue.cut()
                _fail({entry.job for entry in cut.dropped}, DeadlinePassed(_TOO_LATE))
                if cut.batch or self._closing:
                    self._pace.note(sum(entry.item.length for entry in cut.batch), more=len(self._queue) > 0)
                    return cut.batch
                self._turn.wait()

    def _execute(self, entries: Sequence[_Entry]) -> None:
        """Runs a batch, and brings its rows to their calls. On the backend's thread."""
        started_s = time.perf_counter()
        batch = Batch(tuple(entry.item for entry in entries), tuple(entry.job.call for entry in entries))
        try:
            rows = self._rows(batch, entries)
            if len(rows) != len(entries):
                raise RuntimeError(f"the backend gave {len(rows)} rows for {len(entries)} items")
        except Exception as error:
            if len(entries) == 1:
                _fail({entries[0].job}, _failure(error))
                return
            _log.warning("a batch of %d items failed, they run again one by one", len(entries), exc_info=error)
            for entry in entries:
                if entry.alive():
                    self._execute([entry])
                else:
                    _fail({entry.job}, DeadlinePassed(_TOO_LATE))
            return
        _deliver(entries, rows, started_s, time.perf_counter() - started_s)

    def _rows(self, batch: Batch, entries: Sequence[_Entry]) -> Sequence[Row]:
        if not any(entry.job.stream for entry in entries):
            return self.backend.run(batch)
        rows: Sequence[Row] = ()
        with contextlib.closing(self.backend.stream(batch)) as steps:
            for rows in steps:
                self._loop.call_soon_threadsafe(_publish, entries, rows)
        return rows


def _deliver(entries: Sequence[_Entry], rows: Sequence[Row], started_s: float, spent_s: float) -> None:
    for job in {entry.job for entry in entries}:
        job.ended_s = started_s + spent_s
        job.run_s += spent_s
    for entry, row in zip(entries, rows, strict=True):
        job = entry.job
        job.rows[entry.index] = row
        job.missing -= 1
        if not job.missing and not job.done.done():
            job.done.set_result(job.answer())


def _publish(entries: Sequence[_Entry], rows: Sequence[Row]) -> None:
    """Brings the rows of a step to the streams. On the event loop."""
    for entry, row in zip(entries, rows, strict=False):
        if stream := entry.job.stream:
            stream.fresh[entry.index] = row
            stream.moved.set()


def _fail(jobs: Set[_Job], error: Exception) -> None:
    for job in jobs:
        if not job.done.done():
            job.done.set_exception(error)


def _failure(error: Exception) -> Exception:
    """What a failed run means for the one call whose items were in it."""
    if isinstance(error, SavorError):
        return error
    if isinstance(error, RefusedOptions):
        first_line = str(error).strip().partition("\n")[0]
        return InvalidInput.at("parameters", f"the model refused these options: {first_line or 'it says no more'}")
    failure = ExecutionFailed("the model failed on this request")
    failure.__cause__ = error
    return failure
