"""Every RPC of every family, through one function each for unary calls and for streams.

The handlers are made from the descriptors of `savor.v1` and the families' tables: a new family adds no code here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from savor.flavor.errors import DeadlinePassed, WrongFamily
from savor.flavor.family import Family, Method
from savor.flavor.item import Prepared
from savor.server import status, wire
from savor.server.call import Call
from savor.server.models import Loaded, ModelInService, Models
from savor.server.pump import Answer

ResultT = TypeVar("ResultT")

Context = grpc.aio.ServicerContext[Any, Any]

_PREPARE_THREADS = 4


@dataclass(frozen=True)
class Route:
    """One RPC: the family's method, with the messages that it reads and writes."""

    family: Family
    method: Method
    request: Descriptor
    response: Descriptor


@dataclass(frozen=True)
class _Times:
    """Seconds of a call, by step."""

    queue_s: float = 0.0
    prepare_s: float = 0.0
    run_s: float = 0.0
    decode_s: float = 0.0

    def with_run(self, answer: Answer) -> "_Times":
        return replace(self, queue_s=max(answer.queue_s - self.prepare_s, 0.0), run_s=answer.run_s)


class FamilyService:
    """Answers the RPCs of the families for the models in service."""

    def __init__(self, models: Models, default_timeout_s: float) -> None:
        self._models = models
        self._default_timeout_s = default_timeout_s
        self._threads = ThreadPoolExecutor(_PREPARE_THREADS, "savor-prepare")

    def handler(self, family: Family) -> grpc.GenericRpcHandler:
        """The gRPC handler of a family's service."""
        service = wire.service_descriptor(family.service)
        handlers = {}
        for method in family.methods:
            rpc = service.methods_by_name[method.name]
            route = Route(family, method, rpc.input_type, rpc.output_type)
            handlers[method.name] = self._method_handler(route)
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    def close(self) -> None:
        """Ends the threads that prepare and decode."""
        self._threads.shutdown()

    def _method_handler(self, route: Route) -> Any:
        # Requests come as bytes, for gRPC would answer with UNKNOWN and a class name where they are no message.
        write = GetMessageClass(route.response).SerializeToString
        if route.method.streams:
            return grpc.unary_stream_rpc_method_handler(self._stream_behavior(route), None, write)
        return grpc.unary_unary_rpc_method_handler(self._unary_behavior(route), None, write)

    def _unary_behavior(self, route: Route) -> Callable[[bytes, Context], Awaitable[Message]]:
        async def behavior(data: bytes, context: Context) -> Message:
            async with self._call(context) as call:
                return await self._answer(route, wire.parse(data, route.request), call)

        return behavior

    def _stream_behavior(self, route: Route) -> Callable[[bytes, Context], AsyncIterator[Message]]:
        async def behavior(data: bytes, context: Context) -> AsyncIterator[Message]:
            async with self._call(context) as call:
                async for response in self._pieces(route, wire.parse(data, route.request), call):
                    yield response

        return behavior

    @asynccontextmanager
    async def _call(self, context: Context) -> AsyncIterator[Call]:
        """A call with its deadline; an error inside ends the RPC with its status."""
        timeout_s = context.time_remaining() or self._default_timeout_s
        call = Call(timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                yield call
        except TimeoutError:
            await status.abort(context, DeadlinePassed("the call's time is over"))
        except Exception as error:
            await status.abort(context, error)
        finally:
            call.leave()

    async def _answer(self, route: Route, message: Message, call: Call) -> Message:
        """The one way through: read, prepare, admit and run, decode, write."""
        entry, loaded, prepared, times = await self._prepare(route, message)
        answer = await loaded.pump.run(prepared.items, call)
        started_s = time.perf_counter()
        response = await self._off_loop(lambda: wire.write(prepared.decode(answer.rows), route.response))
        times = replace(times.with_run(answer), decode_s=time.perf_counter() - started_s)
        return _sealed(response, times, prepared, entry)

    async def _pieces(self, route: Route, message: Message, call: Call) -> AsyncIterator[Message]:
        """As `_answer`, a response for every step that moved a sequence on, then one with the envelope alone."""
        entry, loaded, prepared, times = await self._prepare(route, message)
        assert prepared.fold is not None
        fold = prepared.fold()
        async for rows, answer in loaded.pump.stream(prepared.items, call):
            started_s = time.perf_counter()
            piece = await self._off_loop(fold.step, rows)
            decode_s = times.decode_s + time.perf_counter() - started_s
            times = replace(times.with_run(answer), decode_s=decode_s)
            if piece is not None:
                yield wire.write(piece, route.response)
        yield _sealed(GetMessageClass(route.response)(), times, prepared, entry)

    async def _prepare(self, route: Route, message: Any) -> tuple[ModelInService, Loaded, Prepared, _Times]:
        started_s = time.perf_counter()
        entry = self._models.find(message.model)
        loaded = entry.ready()
        _check_family(route, entry, loaded)
        request = wire.read(message, route.method.request)
        prepared = await self._off_loop(route.method.prepare, request, loaded.artifact)
        return entry, loaded, prepared, _Times(prepare_s=time.perf_counter() - started_s)

    def _off_loop(self, function: Callable[..., ResultT], *arguments: Any) -> "asyncio.Future[ResultT]":
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


def _check_family(route: Route, entry: ModelInService, loaded: Loaded) -> None:
    if loaded.family is not route.family:
        rpcs = ", ".join(f"{loaded.family.service}/{method.name}" for method in loaded.family.methods)
        raise WrongFamily(f"{entry.name!r} is a {loaded.family.name} model: call {rpcs}")


def _sealed(response: Any, times: _Times, prepared: Prepared, entry: ModelInService) -> Message:
    """The response with its envelope."""
    timing = response.timing
    timing.queue_s, timing.prepare_s = times.queue_s, times.prepare_s
    timing.run_s, timing.decode_s = times.run_s, times.decode_s
    response.warnings.extend(prepared.warnings)
    response.model_version = entry.version
    assert isinstance(response, Message)
    return response
