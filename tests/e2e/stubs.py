"""The stubs of every service on one channel, and what a failed call says in its google.rpc.Status."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_status import rpc_status

from savor.server import wire

# So that each test gets a connection of its own, and retries hide nothing.
OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))


class Stubs:
    """Every service of one channel, sync or aio."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.generation = self.of("TextGenerationService")
        self.classification = self.of("TextClassificationService")
        self.features = self.of("FeatureExtractionService")
        self.speech = self.of("SpeechRecognitionService")
        self.models = self.of("ModelService")
        self.health = health_pb2_grpc.HealthStub(channel)

    def of(self, service: str) -> Any:
        """The generated stub of a service of ours."""
        file = wire.service_descriptor(service).file.name
        module = import_module(f"{file.removesuffix('.proto').replace('/', '.')}_pb2_grpc")
        return getattr(module, f"{service}Stub")(self.channel)

    def answers(self, rpc: str, messages: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """What comes back, as proto3 JSON, where these messages are sent, which are proto3 JSON too."""
        service, _, name = rpc.partition("/")
        method = wire.service_descriptor(service).methods_by_name[name]
        sent = requests(rpc, messages)
        got = getattr(self.of(service), name)(iter(sent) if method.client_streaming else sent[0], timeout=30)
        return [MessageToDict(each) for each in (got if method.server_streaming else [got])]


def requests(rpc: str, messages: Sequence[Mapping[str, Any]]) -> Sequence[Message]:
    """What an RPC takes, out of proto3 JSON."""
    service, _, name = rpc.partition("/")
    kind = GetMessageClass(wire.service_descriptor(service).methods_by_name[name].input_type)
    return [ParseDict(message, kind()) for message in messages]


@contextmanager
def stubs(target: str) -> Iterator[Stubs]:
    with grpc.insecure_channel(target, OPTIONS) as channel:
        yield Stubs(channel)


@dataclass(frozen=True)
class Failure:
    """What a failed call says."""

    code: str
    message: str
    reason: str = ""
    fields: tuple[str, ...] = ()
    retry_after_s: float | None = None
    text: str = ""
    """All of it, as a person would read it."""


def failure(error: grpc.RpcError) -> Failure:
    status = rpc_status.from_call(error)
    if status is None:
        return Failure(error.code().name, error.details(), text=str(error.details()))
    details = {type(found): found for found in map(_unpacked, status.details)}
    info = details.get(error_details_pb2.ErrorInfo)
    request = details.get(error_details_pb2.BadRequest)
    retry = details.get(error_details_pb2.RetryInfo)
    return Failure(
        code=error.code().name,
        message=status.message,
        reason=info.reason if info else "",
        fields=tuple(violation.field for violation in request.field_violations) if request else (),
        retry_after_s=retry.retry_delay.ToTimedelta().total_seconds() if retry else None,
        text="\n".join([status.message, *map(str, details.values())]),
    )


def _unpacked(detail: Any) -> Message:
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
        if detail.Is(kind.DESCRIPTOR):
            found = kind()
            detail.Unpack(found)
            return found
    raise AssertionError(f"a detail that the design does not name: {detail.type_url}")
