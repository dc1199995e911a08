"""Every RPC of every family, through one function each for unary calls, for streams and for dialogues.

The handlers are made from the descriptors of `savor.v1` and the families' tables: a new family adds no code here.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from savor.accel.threads import available
from savor.flavor.artifact import Artifact
from savor.flavor.errors import DeadlinePassed, InvalidInput, WrongFamily
from savor.flavor.family import Dialogue, Family, Method, Rpc, Session
from savor.flavor.item import Prepared
from savor.server import status, wire
from savor.server.background import Background, Steps
from savor.server.call import Call
from savor.server.ear import Ear
from savor.server.models import Loaded, ModelInService, Models
from savor.server.pump import Answer

Context = grpc.aio.ServicerContext[Any, Any]

_LEAST_THREADS, _MOST_THREADS = 2, 4
"""Of those that prepare: more than one, so that a long recording keeps no short text waiting."""


@dataclass(frozen=True)
class Route:
    """One RPC: the family's method, with the messages that it reads and writes."""

    family: Family
    rpc: Rpc
    request: Descriptor
    response: Descriptor


@dataclass(frozen=True)
class _Times:
    """Seconds of a call, by step."""

    queue_s: float = 0.0
    prepare_s: float = 0.0
    run_s: float = 0.0
    decode_s: float = 0.0

    def with_run(self, answer: Answer) -> _Times:
        return replace(self, queue_s=max(answer.queue_s - self.prepare_s, 0.0), run_s=answer.run_s)


@dataclass(frozen=True)
class _Ready:
    """A call that is prepared, with the model it is for."""

    entry: ModelInService
    loaded: Loaded
    prepared: Prepared
    times: _Times


class FamilyService:
    """Answers the RPCs of the families for the models in service."""

    def __init__(self, models: Models, default_timeout_s: float) -> None:
        self._models = models
        self._default_timeout_s = default_timeout_s
        self._background = Background(max(_LEAST_THREADS, min(available(), _MOST_THREADS)), "savor-prepare")

    def handler(self, family: Family) -> grpc.GenericRpcHandler:
        """The gRPC handler of a family's service."""
        service = wire.service_descriptor(family.service)
        handlers = {}
        for rpc in family.methods:
            method = service.methods_by_name[rpc.name]
            handlers[rpc.name] = self._rpc_handler(Route(family, rpc, method.input_type, method.output_type))
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    async def call_model(
        self, model: str, prepare: Callable[[Artifact], Prepared], context: Context
    ) -> tuple[Any, ModelInService]:
        """What a call comes to that has messages of its own, and the model that answered: the same way through."""
        async with self._call(context, self._default_timeout_s) as call:
            entry = self._models.find(model)
            loaded = entry.ready()
            loaded.pump.check(call)
            return await self._background.walk(_called(prepare, loaded, call)), entry

    def close(self) -> None:
        """Ends the threads that prepare and decode."""
        self._background.close()

    def _rpc_handler(self, route: Route) -> Any:
        # Requests come as bytes, for gRPC would answer with UNKNOWN and a class name where they are no message.
        write = GetMessageClass(route.response).SerializeToString
        match route.rpc:
            case Dialogue() as rpc:
                return grpc.stream_stream_rpc_method_handler(self._dialogue_behavior(route, rpc), None, write)
            case Method(streams=True) as rpc:
                return grpc.unary_stream_rpc_method_handler(self._stream_behavior(route, rpc), None, write)
            case Method() as rpc:
                return grpc.unary_unary_rpc_method_handler(self._unary_behavior(route, rpc), None, write)

    def _unary_behavior(self, route: Route, rpc: Method) -> Callable[[bytes, Context], Awaitable[Message]]:
        async def behavior(data: bytes, context: Context) -> Message:
            async with self._call(context, self._default_timeout_s) as call:
                return await self._answer(route, rpc, wire.parse(data, route.request), call)

        return behavior

    def _stream_behavior(self, route: Route, rpc: Method) -> Callable[[bytes, Context], AsyncIterator[Message]]:
        async def behavior(data: bytes, context: Context) -> AsyncIterator[Message]:
            async with self._call(context, self._default_timeout_s) as call:
                async for response in self._pieces(route, rpc, wire.parse(data, route.request), call):
                    yield response

        return behavior

    def _dialogue_behavior(
        self, route: Route, rpc: Dialogue
    ) -> Callable[[AsyncIterator[bytes], Context], AsyncIterator[Message]]:
        async def behavior(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Message]:
            # A dialogue lasts as long as its client speaks.
            async with self._call(context, math.inf) as call:
                messages = (wire.parse(data, route.request) async for data in requests)
                async for response in self._talk(route, rpc, messages, call):
                    yield response

        return behavior

    @asynccontextmanager
    async def _call(self, context: Context, default_timeout_s: float) -> AsyncIterator[Call]:
        """A call with its deadline; an error inside ends the RPC with its status."""
        timeout_s = context.time_remaining() or default_timeout_s
        call = Call(timeout_s)
        try:
            async with asyncio.timeout(None if timeout_s == math.inf else timeout_s):
                yield call
        except TimeoutError:
            await status.abort(context, DeadlinePassed("the call's time is over"))
        except Exception as error:
            await status.abort(context, error)
        finally:
            call.leave()

    async def _answer(self, route: Route, rpc: Method, message: Any, call: Call) -> Message:
        """The one way through: read, prepare, admit and run, decode, write."""
        return await self._background.walk(_answered(route, self._preparing(route, rpc, message, call), call))

    async def _pieces(self, route: Route, rpc: Method, message: Any, call: Call) -> AsyncIterator[Message]:
        """As `_answer`, a response for every step that moved a sequence on, then one with the envelope alone."""
        ready = await self._background.run(self._preparing(route, rpc, message, call))
        assert ready.prepared.fold is not None
        fold, times = ready.prepared.fold(), ready.times
        async for rows, answer in ready.loaded.pump.stream(ready.prepared.items, call):
            started_s = time.perf_counter()
            piece = await self._background.run(fold.step, rows)
            decode_s = times.decode_s + time.perf_counter() - started_s
            times = replace(times.with_run(answer), decode_s=decode_s)
            if piece is not None:
                yield wire.write(piece, route.response)
        yield _sealed(GetMessageClass(route.response)(), times, ready)

    async def _talk(
        self, route: Route, rpc: Dialogue, messages: AsyncIterator[Any], call: Call
    ) -> AsyncIterator[Message]:
        """Hears the pieces of a client's stream as they come, and answers whenever there is something to say."""
        first = await anext(messages, None)
        if first is None or not first.HasField("config"):
            raise InvalidInput.at("config", "is missing: the first message of the stream must set it")
        entry, loaded = self._find(route, first.config.model)
        session = await self._background.run(rpc.open, wire.read(first, rpc.request).config, loaded.artifact)
        async with Ear(messages) as ear:
            ended = False
            while not ended:
                heard, ended = await ear.take()
                for message in heard:
                    session.hear(wire.read(message, rpc.request))
                # All that can be said before more is heard: what waits unsaid is then no more than was just heard.
                while (turn := await self._turn(session, ended=ended, call=call)) is not None:
                    prepared, mine, times = turn
                    try:
                        yield await self._background.walk(_run(route, _Ready(entry, loaded, prepared, times), mine))
                    finally:
                        mine.leave()

    async def _turn(self, session: Session, *, ended: bool, call: Call) -> tuple[Prepared, Call, _Times] | None:
        """What a dialogue says next, as a call of its own: its times are not those of the whole dialogue."""
        mine = Call(call.deadline_s - time.perf_counter())
        prepared = await self._background.run(lambda: session.next(ended=ended))
        times = _Times(prepare_s=time.perf_counter() - mine.admitted_s)
        return None if prepared is None else (prepared, mine, times)

    def _preparing(self, route: Route, rpc: Method, message: Any, call: Call) -> Callable[[], _Ready]:
        """What prepares a call off the loop. Raises at once where the call is for no model, or would wait too long."""
        entry, loaded = self._find(route, message.model)
        loaded.pump.check(call)

        def prepare() -> _Ready:
            prepared = rpc.prepare(wire.read(message, rpc.request), loaded.artifact)
            return _Ready(entry, loaded, prepared, _Times(prepare_s=time.perf_counter() - call.admitted_s))

        return prepare

    def _find(self, route: Route, name: str) -> tuple[ModelInService, Loaded]:
        """The model that a request means, loaded. Raises WrongFamily where the RPC does not answer for it."""
        entry = self._models.find(name)
        loaded = entry.ready()
        task = loaded.artifact.saved.family_task
        if not route.family.serves(route.rpc, task):
            raise WrongFamily(f"{entry.name!r} is a {task} model: call {', '.join(loaded.rpcs)}")
        return entry, loaded


def _answered(route: Route, prepare: Callable[[], _Ready], call: Call) -> Steps[Message]:
    return (yield from _run(route, prepare(), call))


def _run(route: Route, ready: _Ready, call: Call) -> Steps[Message]:
    answer = yield ready.loaded.pump.admit(ready.prepared.items, call)
    started_s = time.perf_counter()
    response = wire.write(ready.prepared.decode(answer.rows), route.response)
    times = replace(ready.times.with_run(answer), decode_s=time.perf_counter() - started_s)
    return _sealed(response, times, ready)


def _called(prepare: Callable[[Artifact], Prepared], loaded: Loaded, call: Call) -> Steps[Any]:
    prepared = prepare(loaded.artifact)
    answer = yield loaded.pump.admit(prepared.items, call)
    return prepared.decode(answer.rows)


def _sealed(response: Any, times: _Times, ready: _Ready) -> Message:
    """The response with its envelope."""
    timing = response.timing
    timing.queue_s, timing.prepare_s = times.queue_s, times.prepare_s
    timing.run_s, timing.decode_s = times.run_s, times.decode_s
    response.warnings.extend(ready.prepared.warnings)
    response.model_version = ready.entry.version
    assert isinstance(response, Message)
    return response
