"""Many callers at once: each gets its own answer, and nobody's mistake, haste or greed is felt by another."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import transformers
from torch.nn.modules.module import register_module_forward_hook

from savor.client import AioClient, Cancelled, DeadlineExceeded, InvalidArgument, Overloaded, connect_aio
from savor.v1.text_generation_pb2 import GenerateTextRequest, TextGenerationParameters
from tests.e2e.conftest import LONG_CONTEXT
from tests.e2e.stubs import OPTIONS, Stubs, failure
from tests.serving import Serving

Ask = Callable[[AioClient], Awaitable[Any]]

LONG = LONG_CONTEXT - 96
"""More tokens than any test here waits for."""


@pytest.fixture
async def caller(families: Serving) -> AsyncIterator[AioClient]:
    async with connect_aio(families.target, retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def slow(serving: Callable[..., Serving], long_generator: Path) -> Serving:
    return serving(str(long_generator))


@pytest.fixture
async def slow_caller(slow: Serving) -> AsyncIterator[AioClient]:
    async with connect_aio(slow.target, retries=0) as client:
        yield client


class Steps:
    """How often models of the servers in this process have run: once for each batch, or each token of one."""

    def __init__(self) -> None:
        self.count = 0
        self._more = threading.Condition()

    def note(self, module: Any, *_: Any) -> None:
        if isinstance(module, transformers.BertModel | transformers.GPT2Model):
            with self._more:
                self.count += 1
                self._more.notify_all()

    async def passed(self, number: int) -> None:
        """Returns once so many steps are done."""
        assert await asyncio.to_thread(self._wait, number)

    def _wait(self, number: int) -> bool:
        with self._more:
            return self._more.wait_for(lambda: self.count >= number, 60)


@pytest.fixture
def steps() -> Iterator[Steps]:
    counted = Steps()
    hook = register_module_forward_hook(counted.note)
    yield counted
    hook.remove()


def classify(words: int) -> Ask:
    text = " ".join(f"word{index}" for index in range(words))

    async def ask(client: AioClient) -> list[tuple[str, float]]:
        reply = await client.classify_text([text, "constant"], model="classifier", top_k=0)
        return [(found.label, found.score) for result in reply.results for found in result.labels]

    return ask


def embed(words: int) -> Ask:
    text = " ".join(f"term{index}" for index in range(words))

    async def ask(client: AioClient) -> list[float]:
        reply = await client.embed_text([text], model="encoder", normalize=True)
        return list(reply.results[0].values)

    return ask


def generate(words: int, tokens: int) -> Ask:
    prompt = " ".join(f"no{index}" for index in range(words))

    async def ask(client: AioClient) -> list[str]:
        reply = await client.generate_text(
            [prompt, "And then"], model="generator", parameters={"max_new_tokens": tokens, "do_sample": False}
        )
        return [sequence.text for result in reply.results for sequence in result.sequences]

    return ask


MIXED: list[Ask] = [
    *(classify(words) for words in (1, 2, 3, 5, 8, 10, 12, 14, 1, 4, 6)),
    *(embed(words) for words in (1, 2, 3, 5, 8, 10, 12, 14, 2, 7)),
    *(
        generate(words, tokens)
        for words, tokens in zip(range(1, 12), (8, 8, 8, 8, 8, 16, 16, 16, 3, 30, 40), strict=True)
    ),
]


def same(answer: Any, expected: Any) -> bool:
    """Equal texts and labels, and numbers within 1e-4."""
    if isinstance(expected, float):
        return abs(answer - expected) < 1e-4
    if isinstance(expected, list | tuple):
        return len(answer) == len(expected) and all(map(same, answer, expected))
    return bool(answer == expected)


async def alone(client: AioClient) -> list[Any]:
    return [await ask(client) for ask in MIXED]


async def test_thirty_two_callers_at_once_get_the_answers_that_each_gets_alone(caller: AioClient, steps: Steps) -> None:
    assert len(MIXED) == 32
    expected = await alone(caller)
    steps_alone, steps.count = steps.count, 0
    answers = await asyncio.gather(*(ask(caller) for ask in MIXED))
    steps_together, steps.count = steps.count, 0
    wrong = [index for index in range(32) if not same(answers[index], expected[index])]
    assert not wrong, [(answers[index], expected[index]) for index in wrong]
    # Otherwise they were not batched, and this test has shown nothing.
    assert steps_together < steps_alone
    # Every caller asked for something of its own.
    assert not any(same(expected[0], other) for other in expected[1:8])


async def test_callers_on_connections_of_their_own_get_their_own_answers(families: Serving, caller: AioClient) -> None:
    expected = await alone(caller)

    async def on_its_own(ask: Ask) -> Any:
        async with connect_aio(families.target, retries=0) as client:
            return await ask(client)

    answers = await asyncio.gather(*map(on_its_own, MIXED))
    assert all(map(same, answers, expected))


async def bad_text(client: AioClient) -> None:
    await client.classify_text(["fine", "word " * 500], model="classifier")


async def bad_length(client: AioClient) -> None:
    await client.generate_text("Go on", model="generator", parameters={"max_new_tokens": 10**12})


async def bad_beams(client: AioClient) -> None:
    await client.generate_text("Go on", model="generator", parameters={"num_beams": 10**6})


async def bad_temperature(client: AioClient) -> None:
    parameters = {"do_sample": True, "temperature": float("nan")}
    await client.generate_text("Go on", model="generator", parameters=parameters)


async def bad_function(client: AioClient) -> None:
    parameters = {"function_to_apply": "tan"}
    await client.classify_text("fine", model="classifier-with-params", parameters=parameters)


async def bad_inputs(client: AioClient) -> None:
    await client.embed_text([], model="encoder")


BAD = (bad_text, bad_length, bad_beams, bad_temperature, bad_function, bad_inputs)


async def test_bad_requests_among_good_ones_fail_alone(caller: AioClient) -> None:
    expected = await alone(caller)
    bad = [ask(caller) for ask in BAD * 3]
    good = [ask(caller) for ask in MIXED]
    answers = await asyncio.gather(*bad, *good, return_exceptions=True)
    assert [type(answer) for answer in answers[: len(bad)]] == [InvalidArgument] * len(bad)
    assert all(map(same, answers[len(bad) :], expected))


async def test_sampling_and_beams_of_some_do_not_change_the_texts_of_others(caller: AioClient) -> None:
    expected = await alone(caller)

    async def sample(seed: int) -> str:
        parameters = {"do_sample": True, "temperature": 5.0, "max_new_tokens": 8}
        reply = await caller.generate_text("And then", model="generator", parameters=parameters, seed=seed)
        return reply.results[0].sequences[0].text

    async def search() -> list[str]:
        parameters = {"num_beams": 4, "num_return_sequences": 4, "do_sample": False}
        reply = await caller.generate_text("And then", model="generator", parameters=parameters)
        return [sequence.text for sequence in reply.results[0].sequences]

    sampled, searched = [await sample(seed) for seed in range(4)], await search()
    answers = await asyncio.gather(
        *(ask(caller) for ask in MIXED), *(sample(seed) for seed in range(4)), search(), search()
    )
    assert all(map(same, answers[:32], expected))
    assert answers[32:] == [*sampled, searched, searched]
    assert len(set(sampled)) > 1


async def test_cancelled_calls_and_passed_deadlines_disturb_nobody(caller: AioClient, slow_caller: AioClient) -> None:
    expected = await alone(caller)

    async def hasty() -> None:
        await slow_caller.generate_text("Go on", parameters={"max_new_tokens": LONG}, timeout_s=0.2)

    async def given_up(ask: Ask) -> None:
        await asyncio.wait_for(ask(caller), 0.01)

    answers = await asyncio.gather(
        *(ask(caller) for ask in MIXED),
        hasty(),
        hasty(),
        *(given_up(ask) for ask in MIXED[::4]),
        return_exceptions=True,
    )
    assert all(map(same, answers[:32], expected))
    assert [type(answer) for answer in answers[32:34]] == [DeadlineExceeded] * 2
    # Some of them may have been answered in so short a time; none may fail in any other way.
    assert {type(answer) for answer in answers[34:]} <= {TimeoutError, type(None)}
    assert all(map(same, await alone(caller), expected))


async def abandoned_stream(client: AioClient, steps: Steps) -> None:
    stream = client.stream_generate_text("Go on", parameters={"max_new_tokens": LONG})
    async for _ in stream:
        break
    await stream.aclose()


async def cancelled_stream(client: AioClient, steps: Steps) -> None:
    async def read() -> None:
        async for _ in client.stream_generate_text("Go on", parameters={"max_new_tokens": LONG}):
            pass

    await cancel_under_way(asyncio.create_task(read()), steps)


async def cancelled_call(client: AioClient, steps: Steps) -> None:
    call = client.generate_text("Go on", parameters={"max_new_tokens": LONG})
    await cancel_under_way(asyncio.ensure_future(call), steps)


async def cancelled_beams(client: AioClient, steps: Steps) -> None:
    call = client.generate_text("Go on", parameters={"max_new_tokens": LONG, "num_beams": 2})
    await cancel_under_way(asyncio.ensure_future(call), steps)


async def cancel_under_way(task: "asyncio.Future[Any]", steps: Steps) -> None:
    await steps.passed(steps.count + 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def deadline_under_way(client: AioClient, steps: Steps) -> None:
    with pytest.raises(DeadlineExceeded):
        await client.generate_text("Go on", parameters={"max_new_tokens": LONG}, timeout_s=0.5)


async def closed_client(client: AioClient, steps: Steps) -> None:
    call = asyncio.ensure_future(client.generate_text("Go on", parameters={"max_new_tokens": LONG}))
    await steps.passed(steps.count + 5)
    await client.close()
    with pytest.raises((Cancelled, asyncio.CancelledError)):
        await call


@pytest.mark.parametrize(
    "leave",
    [abandoned_stream, cancelled_stream, cancelled_call, cancelled_beams, deadline_under_way, closed_client],
    ids=lambda leave: leave.__name__.replace("_", "-"),
)
async def test_a_generation_ends_when_its_caller_has_gone(
    slow: Serving, steps: Steps, leave: Callable[[AioClient, Steps], Awaitable[None]]
) -> None:
    async with connect_aio(slow.target, retries=0) as client:
        await leave(client, steps)
    async with connect_aio(slow.target, retries=0) as client:
        # The model does one thing at a time, so this comes after whatever was left of the long one.
        reply = await client.generate_text("Short", parameters={"max_new_tokens": 2})
    assert reply.results[0].sequences[0].token_count == 2
    assert steps.count < LONG // 2


async def test_calls_that_are_cancelled_while_they_wait_never_reach_the_model(
    slow_caller: AioClient, steps: Steps
) -> None:
    stream = slow_caller.stream_generate_text("Go on", parameters={"max_new_tokens": 200})
    first = await anext(stream)
    waiting = [
        asyncio.ensure_future(slow_caller.generate_text("Wait", parameters={"max_new_tokens": 300 + index}))
        for index in range(4)
    ]
    # On the same connection, so the others have arrived when this is answered.
    await slow_caller.list_models()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    pieces = [first, *[piece async for piece in stream]]
    await slow_caller.generate_text("Short", parameters={"max_new_tokens": 2})
    assert pieces[-2].results[-1].token_count == 200
    assert steps.count < 300


async def test_callers_that_leave_a_batch_do_not_change_it_for_those_who_stay(
    slow_caller: AioClient, steps: Steps
) -> None:
    def call(prompt: str) -> "asyncio.Future[Any]":
        return asyncio.ensure_future(slow_caller.generate_text(prompt, parameters={"max_new_tokens": 120}))

    prompts = ("One", "Two and a half", "Three", "Four score and seven years")
    expected = [(await call(prompt)).results for prompt in prompts]
    stream = slow_caller.stream_generate_text("Go on", parameters={"max_new_tokens": 60})
    await anext(stream)
    waiting = [call(prompt) for prompt in prompts]
    await slow_caller.list_models()
    steps.count = 0
    # Behind the stream all four run together; two of them leave on the way.
    async for _ in stream:
        pass
    await steps.passed(steps.count + 40)
    waiting[0].cancel()
    waiting[3].cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert [answers[1].results, answers[2].results] == expected[1:3]
    assert [type(answers[0]), type(answers[3])] == [asyncio.CancelledError] * 2
    assert steps.count < 2 * 120 + 60


async def test_a_full_queue_refuses_at_once_and_loses_nothing_else(
    serving: Callable[..., Serving], long_generator: Path
) -> None:
    server = serving(str(long_generator), batch={"queue_items": 2})

    def request(tokens: int) -> GenerateTextRequest:
        parameters = TextGenerationParameters(max_new_tokens=tokens, do_sample=False)
        return GenerateTextRequest(inputs=["Go on"], parameters=parameters)

    async with connect_aio(server.target) as client, grpc.aio.insecure_channel(server.target, OPTIONS) as channel:
        stub = Stubs(channel)
        stream = client.stream_generate_text("Go on", parameters={"max_new_tokens": 400})
        first = await anext(stream)
        calls = [stub.generation.GenerateText(request(20 + index), timeout=60) for index in range(7)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        pieces = [first, *[piece async for piece in stream]]
        trailers = [await call.trailing_metadata() for call in calls]
        # There is room again.
        assert (await stub.generation.GenerateText(request(3), timeout=60)).results
    refused = [index for index, answer in enumerate(answers) if isinstance(answer, grpc.RpcError)]
    assert len(refused) == 5
    for index in refused:
        found = failure(answers[index])
        assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
        assert found.retry_after_s is not None
        assert 0 < found.retry_after_s <= 30
        pushback = dict(trailers[index])["grpc-retry-pushback-ms"]
        assert int(pushback) == round(found.retry_after_s * 1000)
    for index in set(range(7)) - set(refused):
        assert answers[index].results[0].sequences[0].token_count == 20 + index
    assert pieces[-2].results[-1].token_count == 400


async def test_a_client_with_retries_is_answered_once_there_is_room(
    serving: Callable[..., Serving], long_generator: Path
) -> None:
    server = serving(str(long_generator), batch={"queue_items": 1})
    async with connect_aio(server.target, retries=4) as patient, connect_aio(server.target, retries=0) as hasty:
        stream = patient.stream_generate_text("Go on", parameters={"max_new_tokens": LONG})
        await anext(stream)
        waiting = asyncio.ensure_future(patient.generate_text("Wait", parameters={"max_new_tokens": 3}))
        await refused_once(hasty)
        retrying = asyncio.ensure_future(patient.generate_text("Retry", parameters={"max_new_tokens": 4}))
        await patient.list_models()
        await stream.aclose()
        replies = await asyncio.gather(waiting, retrying)
    assert [reply.results[0].sequences[0].token_count for reply in replies] == [3, 4]


async def refused_once(client: AioClient) -> None:
    """Returns once the queue is full."""
    async with asyncio.timeout(30):
        while True:
            try:
                await client.generate_text("No room?", parameters={"max_new_tokens": 2}, timeout_s=0.1)
            except Overloaded:
                return
            except DeadlineExceeded:
                continue
