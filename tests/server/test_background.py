"""Work off the loop: everything that was asked for is done once, elsewhere, and told to whoever still waits."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager

import pytest

from savor.server.background import Background, Steps

PATIENCE_S = 5.0
"""After this long somebody waits for ever."""


@asynccontextmanager
async def working(threads: int = 1) -> AsyncIterator[Background]:
    background = Background(threads, "test")
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield background
    finally:
        background.close()


async def test_what_a_function_gives() -> None:
    async with working() as background:
        assert await background.run(divmod, 7, 2) == (3, 1)


async def test_what_a_function_raises() -> None:
    async with working() as background:
        with pytest.raises(ZeroDivisionError):
            await background.run(divmod, 7, 0)
        assert await background.run(abs, -1) == 1


async def test_a_stray_stop_iteration_is_a_failure() -> None:
    async with working() as background:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await background.run(next, iter(()))


@pytest.mark.parametrize("threads", [1, 3])
async def test_everybody_gets_what_is_theirs(threads: int) -> None:
    async with working(threads) as background:
        jobs = [background.run(divmod, 100, number % 5) for number in range(200)]
        results = await asyncio.gather(*jobs, return_exceptions=True)
    for number, result in enumerate(results):
        assert result == divmod(100, number % 5) if number % 5 else isinstance(result, ZeroDivisionError)


async def test_it_works_in_threads_that_are_not_the_loops() -> None:
    async with working() as background:
        seen = {await background.run(threading.get_ident) for _ in range(5)}
    assert len(seen) == 1
    assert threading.get_ident() not in seen


async def test_one_thread_does_what_it_is_asked_in_that_order() -> None:
    done: list[int] = []
    async with working() as background:
        await asyncio.gather(*(background.run(done.append, number) for number in range(50)))
    assert done == list(range(50))


async def test_a_long_job_holds_up_nobody_where_there_is_another_thread() -> None:
    ended = threading.Event()
    async with working(2) as background:
        long = background.run(ended.wait, PATIENCE_S)
        assert await asyncio.gather(*(background.run(abs, -number) for number in range(9))) == list(range(9))
        ended.set()
        assert await long


async def test_a_result_that_is_there_does_not_wait_for_the_next_job() -> None:
    """Both jobs wait for the one thread at once; what the first gave is told while the second runs."""
    ended = threading.Event()
    async with working() as background:
        short, long = background.run(abs, -1), background.run(ended.wait, PATIENCE_S)
        assert await short == 1
        assert not long.done()
        ended.set()
        assert await long


async def test_who_has_gone_is_not_told() -> None:
    async with working() as background:
        gone = [background.run(divmod, 7, number) for number in (0, 2)]
        for result in gone:
            result.cancel()
        assert await background.run(abs, -1) == 1


async def test_closing_does_what_was_asked_for() -> None:
    done: list[int] = []
    async with working() as background:
        for number in range(20):
            background.run(done.append, number)
    assert done == list(range(20))


async def test_steps_get_what_they_wait_for() -> None:
    """While they wait the one thread does something else."""
    waited_for: Future[int] = Future()

    def steps() -> Steps[str]:
        before = threading.get_ident()
        number = yield waited_for
        return f"{number}, {'the same' if threading.get_ident() == before else 'another'} thread"

    async with working() as background:
        result = background.walk(steps())
        assert await background.run(abs, -1) == 1
        assert not result.done()
        await asyncio.to_thread(waited_for.set_result, 7)
        assert await result == "7, the same thread"


async def test_steps_that_wait_for_nothing() -> None:
    def steps(wait: bool) -> Steps[int]:
        return (yield Future()) if wait else 7

    async with working() as background:
        assert await background.walk(steps(wait=False)) == 7


async def test_steps_are_told_of_failures_and_may_wait_again() -> None:
    waited_for: list[Future[int]] = [Future(), Future()]

    def steps() -> Steps[int]:
        with pytest.raises(ArithmeticError):
            yield waited_for[0]
        return (yield waited_for[1])

    async with working() as background:
        result = background.walk(steps())
        waited_for[0].set_exception(ArithmeticError())
        waited_for[1].set_exception(LookupError("no more"))
        with pytest.raises(LookupError, match="no more"):
            await result


async def test_steps_that_nobody_waits_for_any_more_go_no_further() -> None:
    waited_for: Future[int] = Future()
    seen: list[int] = []

    def steps() -> Steps[None]:
        seen.append((yield waited_for))

    async with working() as background:
        result = background.walk(steps())
        await background.run(abs, -1)
        result.cancel()
        waited_for.set_result(7)
        await background.run(abs, -1)
    assert seen == []
