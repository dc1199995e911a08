"""The only table from errors to gRPC: codes, and the google.rpc details that say what to mend.

ErrorInfo always; BadRequest with field paths for what the caller got wrong; RetryInfo, and the pushback trailer that
gRPC clients obey, for what may succeed later. Anything that is not a SavorError is INTERNAL with a fixed sentence and
an id under which the log has the rest.
"""

import logging
import uuid
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from savor.flavor import errors

_log = logging.getLogger(__name__)

_DOMAIN = "savor"
_MESSAGE_BYTES, _DETAIL_BYTES, _MOST_VIOLATIONS = 600, 2400, 16
"""Errors travel in trailers, of which 8 KiB arrive for sure. There the message stands twice, once with three characters
for a byte that is not ASCII, and the details in base64."""

CODES: dict[type[errors.SavorError], grpc.StatusCode] = {
    errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnsupportedParameter: grpc.StatusCode.INVALID_ARGUMENT,
    errors.UnknownModel: grpc.StatusCode.NOT_FOUND,
    errors.WrongFamily: grpc.StatusCode.FAILED_PRECONDITION,
    errors.LoadRefused: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotReady: grpc.StatusCode.UNAVAILABLE,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.DeadlinePassed: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.ExecutionFailed: grpc.StatusCode.INTERNAL,
}


def status_of(error: BaseException) -> Status:
    """The google.rpc.Status of an error. An error outside the tree is logged here with its traceback."""
    if not isinstance(error, errors.SavorError) or type(error) not in CODES:
        return _internal(error)
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=_DOMAIN, metadata=error.details)]
    if isinstance(error, errors.InvalidInput):
        details.append(_bad_request(error))
    if isinstance(error, errors.Overloaded):
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after_s)))
    if isinstance(error, errors.ExecutionFailed):
        return _internal(error)
    return _status(CODES[type(error)], str(error), details)


def trailers(error: BaseException) -> tuple[tuple[str, str], ...]:
    """The trailers that go with an error: when to try again, in milliseconds, as gRPC's retry policy reads it."""
    if isinstance(error, errors.Overloaded):
        return (("grpc-retry-pushback-ms", str(round(error.retry_after_s * 1000))),)
    return ()


async def abort(context: "grpc.aio.ServicerContext[Any, Any]", error: BaseException) -> NoReturn:
    """Ends a call with the status of an error. Raises what ends gRPC's handlers."""
    ending = rpc_status.to_status(status_of(error))
    # abort_with_status discards what set_trailing_metadata has set.
    metadata = (*ending.trailing_metadata, *trailers(error))
    await context.abort_with_status(ending._replace(trailing_metadata=metadata))
    raise AssertionError("abort_with_status always raises")


def _internal(error: BaseException) -> Status:
    error_id = uuid.uuid4().hex
    _log.error("call failed, error id %s", error_id, exc_info=error)
    info = error_details_pb2.ErrorInfo(reason="INTERNAL", domain=_DOMAIN, metadata={"error_id": error_id})
    sentence = f"the model failed on this request; the server's log has the details under id {error_id}"
    return _status(grpc.StatusCode.INTERNAL, sentence, [info])


def _bad_request(error: errors.InvalidInput) -> error_details_pb2.BadRequest:
    told = error.violations[:_MOST_VIOLATIONS]
    share = _DETAIL_BYTES // len(told)
    kind = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(
        field_violations=[kind(field=_cut(v.field, share // 3), description=_cut(v.problem, share // 2)) for v in told]
    )


def _status(code: grpc.StatusCode, sentence: str, details: list[Message]) -> Status:
    packed = []
    for detail in details:
        box = any_pb2.Any()
        box.Pack(detail)
        packed.append(box)
    return Status(code=code.value[0], message=_cut(sentence, _MESSAGE_BYTES), details=packed)


def _cut(text: str, size: int) -> str:
    """The text, or as much of it as fits into `size` bytes of UTF-8."""
    # MLflow repeats texts of the caller's, and JSON can hold halves of characters that UTF-8 has no bytes for.
    data = text.encode(errors="replace")
    return data.decode() if len(data) <= size else data[: size - 3].decode(errors="ignore") + "…"


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1e9))
    return duration
