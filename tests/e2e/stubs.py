"""The stubs of every service on one channel, and what a failed call says in its google.rpc.Status."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_status import rpc_status

from savor.v1 import (
    feature_extraction_pb2_grpc,
    model_pb2_grpc,
    speech_recognition_pb2_grpc,
    text_classification_pb2_grpc,
    text_generation_pb2_grpc,
)

# So that each test gets a connection of its own, and retries hide nothing.
OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))


class Stubs:
    """Every service of one channel, sync or aio."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.generation = text_generation_pb2_grpc.TextGenerationServiceStub(channel)
        self.classification = text_classification_pb2_grpc.TextClassificationServiceStub(channel)
        self.features = feature_extraction_pb2_grpc.FeatureExtractionServiceStub(channel)
        self.speech = speech_recognition_pb2_grpc.SpeechRecognitionServiceStub(channel)
        self.models = model_pb2_grpc.ModelServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)


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
