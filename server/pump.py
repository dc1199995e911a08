"""Between callers and one backend: admits items, hands batches to the backend's thread, brings rows to their calls.

The event loop never computes and the backend's thread never waits for the loop: it cuts its batches itself, each when
the one before has ended. What was admitted is answered: when a batch fails its items run again one by one, so that only
the guilty call fails.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from savor.accel.backend import Backend, Batch, RefusedOptions
from savor.flavor.errors import DeadlinePassed, ExecutionFailed, InvalidInput, NotReady, Overloaded, SavorError
from savor.flavor.item import Item, Row
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
class _Job:
    """The items of one call on their way through the backend. Changed by the event loop alone, but for `failing`."""

    call: Call
    rows: dict[int, Row]
    missing: int
    done: asyncio.Future[None]
    moved: asyncio.Event | None = None
    """Set, for a stream, when an item has a new row."""
    fresh: dict[int, Row] = field(default_factory=dict)
    ended_s: float = 0.0
    run_s: float = 0.0
    failing: bool = False
    """Set by the backend's thread, which is ahead of the loop."""

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
        self.notify()

    def answer(self, rows: Sequence[Row]) -> Answer:
        return Answer(rows, max(self.ended_s - self.call.admitted_s - self.run_s, 0.0), self.run_s)

    def notify(self) -> None:
        if self.moved is not None:
            self.moved.set()


@dataclass(frozen=True, eq=False)
class _Entry:
    """One item in the queue."""

    item: Item
    index: int
    job: _Job

    def alive(self) -> bool:
        job = self.job
        return not job.failing and job.call.alive() and not job.done.done()


class Pump:
    """Runs one model's queue. Made and used within one event loop."""

    def __init__(self, backend: Backend, budget: Budget, name: str) -> None:
        self.backend = backend
        self._queue: Queue[_Entry] = Queue(budget)
        self._turn = threading.Condition()
        """Guards the queue, and tells the backend's thread that it has changed."""
        self._thread = ThreadPoolExecutor(1, f"savor-{name}")
        self._item_s = 0.01
        """A running mean of the seconds that one item takes, for telling callers when to come back."""
        self._batch_s = 0.0
        """The same of a batch, for telling them whether to wait at all; 0 before the first."""
        self._batch_tokens = budget.batch_tokens
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self._work = self._loop.run_in_executor(self._thread, self._serve)

    def check(self, call: Call) -> None:
        """Raises Overloaded where what waits before a call would take too much of the time that it has.

        Without this every call of an overloaded server would be answered just when its time is over.
        """
        left_s = _WAITING * (call.deadline_s - time.perf_counter())
        with self._turn:
            too_late = self._batch_s and self._queue.holds_more(left_s / self._batch_s * self._batch_tokens)
        if too_late:
            sentence = f"the calls before this one take more than {left_s:.2g} s: try again later, or with more time"
            raise Overloaded(sentence, max(left_s, 0.05))

    async def run(self, items: Sequence[Item], call: Call) -> Answer:
        """The rows of all items. Raises what the backend's failure means for this call, or Overloaded."""
        job = self._admit(items, call, streams=False)
        await job.done
        return job.answer([job.rows[index] for index in range(len(items))])

    async def stream(self, items: Sequence[Item], call: Call) -> AsyncIterator[tuple[Mapping[int, Row], Answer]]:
        """The latest rows of the items that moved on, by index, until all have ended; with the times so far.

        The last is empty, and has all of the times.
        """
        job = self._admit(items, call, streams=True)
        assert job.moved is not None
        while not (job.done.done() and not job.fresh):
            await job.moved.wait()
            job.moved.clear()
            if job.done.done():
                job.done.result()
            fresh, job.fresh = job.fresh, {}
            if fresh:
                yield fresh, job.answer(())
        job.done.result()
        yield {}, job.answer(())

    async def close(self) -> None:
        """Answers what was admitted, then frees the backend."""
        with self._turn:
            self._closing = True
            self._turn.notify()
        await self._work
        await self._loop.run_in_executor(self._thread, self.backend.close)
        self._thread.shutdown()

    def _admit(self, items: Sequence[Item], call: Call, *, streams: bool) -> _Job:
        if self._closing:
            raise NotReady("the server is shutting down: call another one")
        moved = asyncio.Event() if streams else None
        job = _Job(call, {}, len(items), self._loop.create_future(), moved)
        # Nobody may be left to ask for a failure, and asyncio complains of those.
        job.done.add_done_callback(lambda done: done.cancelled() or done.exception())
        if not items:
            job.done.set_result(None)
        entries = [_Entry(item, index, job) for index, item in enumerate(items)]
        with self._turn:
            self._queue.put(entries, min(max(len(self._queue) * self._item_s, 0.05), 30.0))
            self._turn.notify()
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
                self._fail({entry.job for entry in cut.dropped}, DeadlinePassed(_TOO_LATE))
                if cut.batch or self._closing:
                    return cut.batch
                self._turn.wait()

    def _execute(self, entries: Sequence[_Entry]) -> None:
        """Runs a batch. On the backend's thread; results go to the loop."""
        started_s = time.perf_counter()
        batch = Batch(tuple(entry.item for entry in entries), tuple(entry.job.call for entry in entries))
        try:
            rows = self._rows(batch, entries)
            if len(rows) != len(entries):
                raise RuntimeError(f"the backend gave {len(rows)} rows for {len(entries)} items")
        except Exception as error:
            if len(entries) == 1:
                self._fail({entries[0].job}, _failure(error))
                return
            _log.warning("a batch of %d items failed, they run again one by one", len(entries), exc_info=error)
            for entry in entries:
                if entry.alive():
                    self._execute([entry])
                else:
                    self._fail({entry.job}, DeadlinePassed(_TOO_LATE))
            return
        spent_s = time.perf_counter() - started_s
        self._loop.call_soon_threadsafe(self._deliver, entries, rows, started_s, spent_s)

    def _fail(self, jobs: Set[_Job], error: Exception) -> None:
        """Fails calls, all with one waking of the loop."""
        for job in jobs:
            job.failing = True
        if jobs:
            self._loop.call_soon_threadsafe(_fail_all, jobs, error)

    def _rows(self, batch: Batch, entries: Sequence[_Entry]) -> Sequence[Row]:
        if not any(entry.job.moved for entry in entries):
            return self.backend.run(batch)
        rows: Sequence[Row] = ()
        with contextlib.closing(self.backend.stream(batch)) as steps:
            for rows in steps:
                self._loop.call_soon_threadsafe(self._publish, entries, rows)
        return rows

    def _publish(self, entries: Sequence[_Entry], rows: Sequence[Row]) -> None:
        for entry, row in zip(entries, rows, strict=False):
            if entry.job.moved is not None:
                entry.job.fresh[entry.index] = row
                entry.job.notify()

    def _deliver(self, entries: Sequence[_Entry], rows: Sequence[Row], started_s: float, spent_s: float) -> None:
        self._item_s += 0.1 * (spent_s / len(entries) - self._item_s)
        self._batch_s += 0.1 * (spent_s - self._batch_s) if self._batch_s else spent_s
        for job in {entry.job for entry in entries}:
            job.ended_s = started_s + spent_s
            job.run_s += spent_s
        for entry, row in zip(entries, rows, strict=True):
            entry.job.rows[entry.index] = row
            entry.job.missing -= 1
            if not entry.job.missing and not entry.job.done.done():
                entry.job.done.set_result(None)
                entry.job.notify()


def _fail_all(jobs: Set[_Job], error: Exception) -> None:
    for job in jobs:
        job.fail(error)


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
