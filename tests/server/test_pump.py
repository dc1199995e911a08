"""The pump: what was admitted is answered, only the guilty fail, and nobody waits for ever.

Two backends: the real one, and `Press`, a small one that doubles numbers, stands still and fails when told to.
"""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from savor.accel.backend import Backend, BackendInfo, Batch, RefusedOptions
from savor.accel.eager import EagerBackend
from savor.flavor import generation
from savor.flavor.errors import DeadlinePassed, ExecutionFailed, InvalidInput, NotReady, Overloaded
from savor.flavor.families import text_classification, text_generation
from savor.flavor.item import Forward, Item, Row, Run
from savor.server import scheduling
from savor.server.batching import Budget
from savor.server.call import Call
from savor.server.pump import Pump
from tests.flavor.artifacts import artifact

PATIENCE_S = 5.0
"""After this long somebody waits for ever."""

WIDE = Budget(batch_tokens=10_000, overhead_tokens=100_000)


class Press:
    """A backend that doubles each item's number. It fails on numbers below zero, and its streams count up to theirs."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.info = BackendInfo("press", "cpu", "int64")
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.closed = False
        self.free, self.busy = threading.Event(), threading.Event()
        self.free.set()
        self.fuse = threading.Event()
        self.fuse.set()
        self.failure = failure or ArithmeticError("secret detail")
        self.surplus = 0
        self.takes_s = 0.0

    def run(self, batch: Batch) -> Sequence[Row]:
        self._begin(batch)
        rows = [{"output": number * 2} for number in self._numbers(batch)]
        return rows[: len(rows) + self.surplus] if self.surplus < 0 else rows

    def stream(self, batch: Batch) -> Generator[Sequence[Row]]:
        self._begin(batch)
        numbers = self._numbers(batch)
        for step in range(1, int(max(abs(number) for number in numbers)) + 1):
            if not any(watch.alive() for watch in batch.watches):
                return
            yield [{"output": np.minimum(number, step)} for number in numbers]
            if any(-step == number for number in numbers):
                assert self.fuse.wait(PATIENCE_S)
                raise self.failure

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed = True

    def _begin(self, batch: Batch) -> None:
        assert not self.closed
        self.threads.add(threading.get_ident())
        self.batches.append([int(number) for number in self._numbers(batch)])
        self.busy.set()
        time.sleep(self.takes_s)
        assert self.free.wait(PATIENCE_S)
        if not batch.generates and any(number < 0 for number in self._numbers(batch)):
            raise self.failure

    def _numbers(self, batch: Batch) -> list[Any]:
        return [item.arrays["number"] for item in batch.items]


def _items(*numbers: int, run: Run | None = None) -> list[Item]:
    return [Item({"number": np.array(number)}, 1, run or Forward()) for number in numbers]


def _growing(*numbers: int) -> list[Item]:
    return _items(*numbers, run=generation.run({}))


@asynccontextmanager
async def pumping(backend: Backend, budget: Budget = WIDE) -> AsyncIterator[Pump]:
    pump = Pump(backend, budget, "test")
    try:
        yield pump
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await pump.close()


async def _ask(pump: Pump, items: Sequence[Item], call: Call | None = None) -> list[int]:
    """The numbers that come out, within a time in which anything comes out."""
    async with asyncio.timeout(PATIENCE_S):
        answer = await asyncio.wrap_future(pump.admit(items, call or Call(60.0)))
    return [int(row["output"]) for row in answer.rows]


@asynccontextmanager
async def standstill(pump: Pump, press: Press) -> AsyncIterator[None]:
    """While this lasts the backend is busy with a call of its own, so that others gather."""
    press.free.clear()
    press.busy.clear()
    first = asyncio.create_task(_ask(pump, _items(1000)))
    await asyncio.to_thread(press.busy.wait)
    try:
        yield
    finally:
        press.free.set()
        await first


async def _admitted(*asking: Any) -> list[asyncio.Task[Any]]:
    """Tasks, once each has come to where it waits: a task that is made later runs later."""
    tasks = [asyncio.ensure_future(task) for task in asking]
    await asyncio.ensure_future(_nothing())
    return tasks


async def _nothing() -> None:
    return


async def test_rows_come_in_the_order_of_the_items() -> None:
    async with pumping(Press()) as pump:
        assert await _ask(pump, _items(3, 1, 2)) == [6, 2, 4]


async def _paced(pump: Pump, press: Press) -> None:
    """Lets the pump see how slow the backend is: a tenth of a second for an item, where a batch holds no more."""
    press.takes_s = 0.1
    await _ask(pump, _items(1, 2, 3))


async def test_a_call_is_refused_that_would_wait_too_long_for_its_deadline() -> None:
    async with pumping(press := Press(), Budget(batch_tokens=1)) as pump:
        await _paced(pump, press)
        async with standstill(pump, press):
            press.takes_s = 0.0
            # Ten wait, which is a second.
            others = await _admitted(*(_ask(pump, _items(number)) for number in range(10)))
            with pytest.raises(Overloaded, match="try again later, or with more time"):
                pump.check(Call(0.5))
            pump.check(Call(60.0))
        await asyncio.gather(*others)
        # Nobody waits any more, however slow it was before.
        pump.check(Call(0.001))


async def test_what_fits_into_one_batch_is_not_refused_however_long_one_takes() -> None:
    """A batch of ten sequences takes as many steps as one of one."""
    async with pumping(press := Press()) as pump:
        await _paced(pump, press)
        async with standstill(pump, press):
            others = await _admitted(*(_ask(pump, _items(number)) for number in range(10)))
            pump.check(Call(0.2))
        await asyncio.gather(*others)


async def test_who_has_gone_is_not_waited_for() -> None:
    async with pumping(press := Press(), Budget(batch_tokens=1)) as pump:
        await _paced(pump, press)
        async with standstill(pump, press):
            gone = Call(60.0)
            leaving = await _admitted(_ask(pump, _items(*range(10)), gone))
            with pytest.raises(Overloaded):
                pump.check(Call(0.5))
            gone.leave()
            pump.check(Call(0.5))
        await asyncio.gather(*leaving, return_exceptions=True)


async def test_a_call_of_no_items_is_answered_at_once() -> None:
    async with pumping(press := Press()) as pump:
        assert await _ask(pump, []) == []
    assert press.batches == []


async def test_an_idle_backend_begins_at_once() -> None:
    async with pumping(press := Press()) as pump:
        for number in (1, 2):
            await _ask(pump, _items(number))
    assert press.batches == [[1], [2]]


async def test_what_gathers_while_it_is_busy_runs_together() -> None:
    async with pumping(press := Press()) as pump:
        async with standstill(pump, press):
            tasks = await _admitted(*(_ask(pump, _items(number, number + 10)) for number in range(5)))
        assert await asyncio.gather(*tasks) == [[2 * number, 2 * number + 20] for number in range(5)]
    assert sorted(press.batches[1]) == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert len(press.batches) == 2


async def test_a_call_may_take_several_batches() -> None:
    async with pumping(press := Press(), Budget(batch_items=2)) as pump:
        assert await _ask(pump, _items(*range(5))) == [0, 2, 4, 6, 8]
    assert [len(batch) for batch in press.batches] == [2, 2, 1]


async def test_times_are_told() -> None:
    async with pumping(Press()) as pump:
        answer = await asyncio.wrap_future(pump.admit(_items(1), Call(60.0)))
    assert answer.run_s > 0
    assert answer.queue_s >= 0


async def test_the_backend_is_called_from_one_thread_that_is_not_the_loops() -> None:
    async with pumping(press := Press()) as pump:
        await asyncio.gather(*(_ask(pump, _items(number)) for number in range(5)))
    assert len(press.threads) == 1
    assert threading.get_ident() not in press.threads


async def test_the_backend_s_thread_computes_though_its_loop_s_gives_way() -> None:
    class Watched(Press):
        def run(self, batch: Batch) -> Sequence[Row]:
            self.policies = {os.sched_getscheduler(0)}
            return super().run(batch)

    scheduling.give_way()
    try:
        async with pumping(press := Watched()) as pump:
            await _ask(pump, _items(1))
    finally:
        scheduling.compute()
    assert press.policies == {os.SCHED_OTHER}


async def test_the_guilty_call_fails_alone() -> None:
    async with pumping(press := Press()) as pump:
        async with standstill(pump, press):
            tasks = await _admitted(*(_ask(pump, _items(number)) for number in (1, -2, 3)))
        one, guilty, three = await asyncio.gather(*tasks, return_exceptions=True)
        assert (one, three) == ([2], [6])
        assert isinstance(guilty, ExecutionFailed)
        assert isinstance(guilty.__cause__, ArithmeticError)
        assert "secret" not in str(guilty)
        assert await _ask(pump, _items(4)) == [8]
    assert sorted(press.batches[1]) == [-2, 1, 3]


async def test_a_call_fails_with_the_first_of_its_items() -> None:
    async with pumping(Press()) as pump:
        with pytest.raises(ExecutionFailed):
            await _ask(pump, _items(1, -2, 3, -4))
        assert await _ask(pump, _items(5)) == [10]


REFUSALS = [
    pytest.param("temperature must be above 0\nSee the documentation", "temperature must be above 0", id="text"),
    pytest.param("", "the model refused these options", id="no text"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSALS)
async def test_options_that_the_model_refuses_are_the_callers_fault(text: str, sentence: str) -> None:
    async with pumping(Press(RefusedOptions(text))) as pump:
        with pytest.raises(InvalidInput) as caught:
            await _ask(pump, _items(-1))
        assert await _ask(pump, _items(2)) == [4]
    assert caught.value.violations[0].field == "parameters"
    assert sentence in str(caught.value)
    assert "See the documentation" not in str(caught.value)


async def test_a_backend_that_loses_a_row_fails_the_call() -> None:
    press = Press()
    press.surplus = -1
    async with pumping(press) as pump:
        with pytest.raises(ExecutionFailed):
            await _ask(pump, _items(1, 2))


async def test_who_has_left_does_not_run() -> None:
    async with pumping(press := Press()) as pump:
        call = Call(60.0)
        async with standstill(pump, press):
            [left, stays] = await _admitted(_ask(pump, _items(1), call), _ask(pump, _items(2)))
            call.leave()
        assert await stays == [4]
        with pytest.raises(DeadlinePassed):
            await left
    assert press.batches[1:] == [[2]]


async def test_a_batch_is_cut_when_the_backend_is_free_and_not_before() -> None:
    """Who leaves while the batch before still runs has not been cut yet, though all has been said to the backend."""
    async with pumping(press := Press(), Budget(batch_items=1)) as pump:
        calls = [Call(60.0) for _ in range(3)]
        async with standstill(pump, press):
            tasks = await _admitted(*(_ask(pump, _items(number), call) for number, call in enumerate(calls)))
            calls[0].leave()
            calls[1].leave()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[2] == [4]
    assert press.batches == [[1000], [2]]


async def test_whose_time_is_over_does_not_run() -> None:
    async with pumping(press := Press()) as pump:
        with pytest.raises(DeadlinePassed):
            await _ask(pump, _items(1), Call(0.0))
        assert await _ask(pump, _items(2)) == [4]
    assert press.batches == [[2]]


async def test_a_cancelled_caller_holds_nobody_up() -> None:
    async with pumping(press := Press()) as pump:
        async with standstill(pump, press):
            [cancelled, stays] = await _admitted(_ask(pump, _items(1)), _ask(pump, _items(2)))
            cancelled.cancel()
        assert await stays == [4]
        assert cancelled.cancelled()
        assert await _ask(pump, _items(3)) == [6]


async def test_the_rest_of_a_call_that_failed_does_not_run() -> None:
    async with pumping(press := Press(), Budget(batch_items=1)) as pump:
        with pytest.raises(ExecutionFailed):
            await _ask(pump, _items(-1, 2, 3))
        assert await _ask(pump, _items(4)) == [8]
    assert press.batches == [[-1], [4]]


async def test_beyond_the_bound_a_call_is_refused_at_once() -> None:
    async with pumping(press := Press(), Budget(queue_items=2)) as pump, standstill(pump, press):
        tasks = await _admitted(_ask(pump, _items(1, 2)))
        with pytest.raises(Overloaded) as caught:
            await _ask(pump, _items(3))
        assert 0.05 <= caught.value.retry_after_s <= 30.0
        press.free.set()
        assert await tasks[0] == [2, 4]


async def test_closing_answers_what_was_admitted_and_frees_the_backend() -> None:
    press = Press()
    pump = Pump(press, Budget(batch_items=1), "test")
    press.free.clear()
    tasks = await _admitted(*(_ask(pump, _items(number)) for number in range(4)))
    closing = (await _admitted(pump.close()))[0]
    with pytest.raises(NotReady):
        await _ask(pump, _items(9))
    assert not press.closed
    press.free.set()
    assert await asyncio.gather(*tasks) == [[0], [2], [4], [6]]
    await closing
    assert press.closed
    assert len(press.threads) == 1


async def _pieces(pump: Pump, items: Sequence[Item], call: Call | None = None) -> list[dict[int, int]]:
    async with asyncio.timeout(PATIENCE_S):
        seen = [rows async for rows, _ in pump.stream(items, call or Call(60.0))]
    return [{index: int(row["output"]) for index, row in rows.items()} for rows in seen]


async def test_a_stream_grows_to_its_end() -> None:
    async with pumping(Press()) as pump:
        pieces = await _pieces(pump, _growing(5, 3))
    for index, end in ((0, 5), (1, 3)):
        steps = [piece[index] for piece in pieces if index in piece]
        assert steps == sorted(steps)
        assert steps[-1] == end
    assert pieces[-1] == {}


async def test_a_reader_who_falls_behind_gets_the_latest() -> None:
    async with pumping(Press()) as pump:
        seen = []
        async with asyncio.timeout(PATIENCE_S):
            async for rows, _ in pump.stream(_growing(500), Call(60.0)):
                seen += [int(row["output"]) for row in rows.values()]
                # Whoever is answered after this stream has ended waits for as long as it takes.
                await _ask(pump, _items(1))
    assert len(seen) <= 3
    assert seen[-1] == 500


@pytest.mark.parametrize("first", [0, 1], ids=["the stream first", "the call first"])
async def test_a_stream_and_a_call_share_their_steps(first: int) -> None:
    async with pumping(press := Press()) as pump:
        async with standstill(pump, press):
            asking = [_pieces(pump, _growing(4)), _ask(pump, _growing(2))]
            tasks = await _admitted(*(asking if first == 0 else reversed(asking)))
        answers = await asyncio.gather(*tasks)
    assert answers[first][-2] == {0: 4}
    assert answers[1 - first] == [2]
    assert sorted(press.batches[1]) == [2, 4]


async def test_a_stream_that_fails_says_so() -> None:
    async with pumping(Press()) as pump:
        with pytest.raises(ExecutionFailed):
            await _pieces(pump, _growing(-3))
        assert await _ask(pump, _items(4)) == [8]


async def test_a_stream_that_fails_while_its_reader_is_busy_says_so() -> None:
    """Its text would look finished otherwise."""
    async with pumping(press := Press()) as pump:
        press.fuse.clear()

        async def read() -> None:
            async for _ in pump.stream(_growing(-1), Call(60.0)):
                press.fuse.set()
                # Whoever is answered after this stream has failed waits for as long as that takes.
                await _ask(pump, _items(1))

        with pytest.raises(ExecutionFailed):
            async with asyncio.timeout(PATIENCE_S):
                await read()


async def test_a_stream_that_fails_does_not_fail_others() -> None:
    async with pumping(press := Press()) as pump:
        async with standstill(pump, press):
            tasks = await _admitted(*(_pieces(pump, _growing(number)) for number in (4, -2)))
        good, guilty = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(guilty, ExecutionFailed)
        assert good[-2] == {0: 4}


async def test_who_leaves_before_a_batch_fails_does_not_run_again() -> None:
    async with pumping(press := Press()) as pump:
        press.fuse.clear()
        call = Call(60.0)

        async def leave() -> None:
            async for _ in pump.stream(_growing(2), call):
                call.leave()
                press.fuse.set()
                return

        async with standstill(pump, press):
            tasks = await _admitted(_pieces(pump, _growing(-1)), leave())
        guilty, _ = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(guilty, ExecutionFailed)
        assert await _ask(pump, _items(4)) == [8]
    assert sorted(press.batches[1]) == [-1, 2]
    assert press.batches[2:] == [[-1], [4]]


async def test_a_stream_whose_reader_leaves_ends() -> None:
    async with pumping(Press()) as pump:
        call = Call(60.0)
        async with asyncio.timeout(PATIENCE_S):
            stream = pump.stream(_growing(10**9), call)
            await anext(stream)
            call.leave()
            await stream.aclose()
            assert await _ask(pump, _items(1)) == [2]


async def test_a_stream_whose_time_is_over_before_it_began() -> None:
    async with pumping(Press()) as pump:
        with pytest.raises(DeadlinePassed):
            await _pieces(pump, _growing(3), Call(0.0))


async def test_a_stream_beyond_the_bound_is_refused() -> None:
    async with pumping(press := Press(), Budget(queue_items=1)) as pump, standstill(pump, press):
        tasks = await _admitted(_ask(pump, _items(1)))
        with pytest.raises(Overloaded):
            await _pieces(pump, _growing(3))
        press.free.set()
        await tasks[0]


async def test_the_real_backend_answers_many_callers() -> None:
    model = artifact("classifier")
    texts = [f"text {number} " + "word " * (number % 7) for number in range(40)]
    prepared = [
        text_classification.prepare(
            text_classification.ClassifyTextRequest((text_classification.TextClassificationInput(text),), {}), model
        )
        for text in texts
    ]
    async with pumping(EagerBackend(model), Budget()) as pump, asyncio.timeout(PATIENCE_S * 3):
        answers = await asyncio.gather(*(asyncio.wrap_future(pump.admit(each.items, Call(60.0))) for each in prepared))
    for text, each, answer in zip(texts, prepared, answers, strict=True):
        [label] = each.decode(answer.rows).results[0].labels
        [expected] = model.pipeline([text])
        assert (label.label, label.score) == (expected["label"], pytest.approx(expected["score"], abs=1e-5))


async def test_the_real_backend_streams_to_many_callers() -> None:
    model = artifact("generator")
    requests = [
        text_generation.GenerateTextRequest((f"prompt {number}",), {"max_new_tokens": 10}) for number in range(6)
    ]
    prepared = [text_generation.prepare(request, model) for request in requests]

    async def text(each: Any) -> str:
        fold = each.fold()
        pieces = [fold.step(rows) async for rows, _ in pump.stream(each.items, Call(60.0)) if rows]
        return "".join(delta.text for piece in pieces if piece for delta in piece.results)

    async with (
        pumping(EagerBackend(model), Budget(batch_tokens=4096, overhead_tokens=100_000)) as pump,
        asyncio.timeout(PATIENCE_S * 3),
    ):
        texts = await asyncio.gather(*map(text, prepared))
        whole = [each.decode((await asyncio.wrap_future(pump.admit(each.items, Call(60.0)))).rows) for each in prepared]
    assert texts == [response.results[0].sequences[0].text for response in whole]


async def test_options_that_the_real_backend_refuses_fail_their_call_alone() -> None:
    model = artifact("generator")
    [good] = text_generation.prepare(text_generation.GenerateTextRequest(("a",), {}), model).items
    bad = Item(good.arrays, good.length, generation.run({"frobnicate": 1}))
    async with pumping(EagerBackend(model), Budget()) as pump, asyncio.timeout(PATIENCE_S * 3):
        refused, answer = await asyncio.gather(
            *(asyncio.wrap_future(pump.admit([item], Call(60.0))) for item in (bad, good)), return_exceptions=True
        )
    assert isinstance(refused, InvalidInput)
    assert not isinstance(answer, BaseException)
    assert len(answer.rows) == 1
