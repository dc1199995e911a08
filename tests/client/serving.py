"""A real gRPC server in this process with scripted answers: it keeps what it was asked, tests set what it answers.

An RPC without an answer gives an empty response, or an empty stream of them.
"""

import importlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from grpc_status import rpc_status

from savor.v1 import (
    audio_classification_pb2_grpc,
    chat_pb2_grpc,
    feature_extraction_pb2_grpc,
    fill_mask_pb2_grpc,
    image_classification_pb2_grpc,
    model_pb2_grpc,
    pyfunc_pb2_grpc,
    question_answering_pb2_grpc,
    speech_recognition_pb2_grpc,
    table_question_answering_pb2_grpc,
    text2text_pb2_grpc,
    text_classification_pb2_grpc,
    text_generation_pb2_grpc,
    token_classification_pb2_grpc,
    zero_shot_classification_pb2_grpc,
)

Context = grpc.ServicerContext
Answer = Callable[[Message, Context], Any]


@dataclass
class Script:
    """What the server does: `answers` by RPC name, a message or a function; `requests` holds what arrived.

    A client's stream is given to the function as an iterator and is not kept.
    """

    answers: dict[str, Message | Answer] = field(default_factory=dict)
    requests: list[Message] = field(default_factory=list)
    timeouts_s: list[float | None] = field(default_factory=list)
    target: str = ""

    def answer(self, rpc: MethodDescriptor, request: Any, context: Context) -> Any:
        if not rpc.client_streaming:
            self.requests.append(request)
        self.timeouts_s.append(context.time_remaining())
        answer = self.answers.get(rpc.name) or _nothing(rpc)
        return answer(request, context) if callable(answer) else answer


def _nothing(rpc: MethodDescriptor) -> Message | Answer:
    empty: Message = GetMessageClass(rpc.output_type)()
    return (lambda _request, _context: iter(())) if rpc.server_streaming else empty


def _servicer(base: type, service: ServiceDescriptor, script: Script) -> Any:
    """A servicer whose every RPC asks the script."""

    def method(rpc: MethodDescriptor) -> Callable[..., Any]:
        return lambda _self, request, context: script.answer(rpc, request, context)

    return type(f"Scripted{base.__name__}", (base,), {rpc.name: method(rpc) for rpc in service.methods})()


_STUBS = [
    audio_classification_pb2_grpc,
    chat_pb2_grpc,
    feature_extraction_pb2_grpc,
    fill_mask_pb2_grpc,
    image_classification_pb2_grpc,
    model_pb2_grpc,
    pyfunc_pb2_grpc,
    question_answering_pb2_grpc,
    speech_recognition_pb2_grpc,
    table_question_answering_pb2_grpc,
    text2text_pb2_grpc,
    text_classification_pb2_grpc,
    text_generation_pb2_grpc,
    token_classification_pb2_grpc,
    zero_shot_classification_pb2_grpc,
]


def _services() -> Iterator[tuple[Any, ServiceDescriptor]]:
    """Each module of stubs with the one service that it has."""
    for stubs in _STUBS:
        messages = importlib.import_module(stubs.__name__.removesuffix("_grpc"))
        yield from ((stubs, service) for service in messages.DESCRIPTOR.services_by_name.values())


SERVICES: dict[str, ServiceDescriptor] = {service.name: service for _stubs, service in _services()}


@contextmanager
def serve(script: Script, credentials: grpc.ServerCredentials | None = None, port: int = 0) -> Iterator[Script]:
    """Serves the script on a free port while the block runs; its target is set."""
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 64 * 2**20)])
    for stubs, service in _services():
        servicer = _servicer(getattr(stubs, f"{service.name}Servicer"), service, script)
        getattr(stubs, f"add_{service.name}Servicer_to_server")(servicer, server)
    address = f"localhost:{port}"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    script.target = f"localhost:{port}"
    server.start()
    try:
        yield script
    finally:
        server.stop(None).wait()


def failing(
    code: grpc.StatusCode, message: str, *details: Message, trailer: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """An answer that is a status with these details."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)

    def answer(_request: Message, context: Context) -> Any:
        ending = rpc_status.to_status(status)
        # abort_with_status drops what set_trailing_metadata was given.
        context.abort_with_status(ending._replace(trailing_metadata=ending.trailing_metadata + trailer))

    return answer


def in_turn(*answers: Message | Answer) -> Answer:
    """An answer that is each of these in turn, and the last of them from then on."""
    left = list(answers)
    lock = threading.Lock()

    def answer(request: Message, context: Context) -> Any:
        with lock:
            chosen = left.pop(0) if len(left) > 1 else left[0]
        return chosen(request, context) if callable(chosen) else chosen

    return answer
