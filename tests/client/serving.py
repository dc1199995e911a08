"""A real gRPC server in this process with scripted answers: it keeps what it was asked, tests set what it answers."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status

from savor.v1 import (
    feature_extraction_pb2_grpc,
    model_pb2_grpc,
    speech_recognition_pb2_grpc,
    text_classification_pb2_grpc,
    text_generation_pb2_grpc,
)

Context = grpc.ServicerContext
Answer = Callable[[Message, Context], Any]


@dataclass
class Script:
    """What the server does: `answers` by RPC name, a message or a function; `requests` holds what arrived."""

    answers: dict[str, Message | Answer] = field(default_factory=dict)
    requests: list[Message] = field(default_factory=list)
    timeouts_s: list[float | None] = field(default_factory=list)
    target: str = ""

    def answer(self, rpc: str, request: Message, context: Context) -> Any:
        self.requests.append(request)
        self.timeouts_s.append(context.time_remaining())
        answer = self.answers[rpc]
        return answer(request, context) if callable(answer) else answer


def _servicer(base: type, script: Script) -> Any:
    """A servicer whose every RPC asks the script, under the names of the generated base class."""

    def method(rpc: str) -> Callable[..., Any]:
        return lambda _self, request, context: script.answer(rpc, request, context)

    names = [name for name in vars(base) if name[0].isupper()]
    return type(f"Scripted{base.__name__}", (base,), {name: method(name) for name in names})()


_SERVICES = [
    (text_classification_pb2_grpc, "TextClassificationService"),
    (feature_extraction_pb2_grpc, "FeatureExtractionService"),
    (text_generation_pb2_grpc, "TextGenerationService"),
    (speech_recognition_pb2_grpc, "SpeechRecognitionService"),
    (model_pb2_grpc, "ModelService"),
]


@contextmanager
def serve(script: Script, credentials: grpc.ServerCredentials | None = None, port: int = 0) -> Iterator[Script]:
    """Serves the script on a free port while the block runs; its target is set."""
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 64 * 2**20)])
    for module, service in _SERVICES:
        servicer = _servicer(getattr(module, f"{service}Servicer"), script)
        getattr(module, f"add_{service}Servicer_to_server")(servicer, server)
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
