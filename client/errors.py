"""Every way in which a call can fail, read from its gRPC status and the details sent with it.

    SavorError
    ├── InvalidArgument    the request has fields at fault: see `violations`
    ├── NotFound           no model of this name, version or alias
    ├── WrongFamily        the model belongs to a family that another method serves
    ├── Overloaded         the server's queue is full, and stayed full through the retries: see `retry_after_s`
    ├── Unavailable        no connection, or a model that is still loading
    ├── DeadlineExceeded   no answer within `timeout_s`
    ├── Cancelled          the call was cancelled, by closing the client for instance
    ├── Internal           the server failed, or its reply can't be read: see `error_id`
    └── Other              any other status

Nothing of the gRPC library's own errors leaves the client, except as the `__cause__` of these.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_status import rpc_status


@dataclass(frozen=True)
class FieldViolation:
    """One field of a request and what is wrong with it. `field` is its path, such as `inputs[3].text`."""

    field: str
    description: str


@dataclass(frozen=True)
class Status:
    """How a call ended. `code` is the name of a gRPC status code; what the server did not send is empty or None."""

    code: str
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()
    retry_after_s: float | None = None


class SavorError(Exception):
    """The root. `status` holds all that the server said."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status

    @property
    def code(self) -> str:
        """The name of the gRPC status code, such as "NOT_FOUND"."""
        return self.status.code

    @property
    def message(self) -> str:
        """The server's sentence, for people to read."""
        return self.status.message

    @property
    def reason(self) -> str:
        """The server's name for the error, such as "UNKNOWN_MODEL", for programs to read; empty where it sent none."""
        return self.status.reason

    @property
    def metadata(self) -> Mapping[str, str]:
        """What else the server said, by name."""
        return self.status.metadata

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class InvalidArgument(SavorError):
    """The request has fields at fault."""

    @property
    def violations(self) -> tuple[FieldViolation, ...]:
        """The fields at fault, in the server's order."""
        return self.status.violations

    def __str__(self) -> str:
        fields = [f"{each.field}: {each.description}" for each in self.violations]
        # Savor's own sentence names them already.
        untold = "; ".join(field for field in fields if field not in self.message)
        return f"{super().__str__()} {untold}".rstrip()


class NotFound(SavorError):
    """No model is served under this name, version or alias."""


class WrongFamily(SavorError):
    """The model belongs to a family that another method serves."""


class Overloaded(SavorError):
    """The server has no room for the call."""

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which the server expects to have room; None where it did not say."""
        return self.status.retry_after_s


class Unavailable(SavorError):
    """There is no connection, or the model is still loading. The same call may succeed later."""


class DeadlineExceeded(SavorError):
    """There was no answer in time."""


class Cancelled(SavorError):
    """The call was cancelled."""


class Internal(SavorError):
    """The server failed on a request that looked right, or the client can't read its reply."""

    @property
    def error_id(self) -> str:
        """What finds the failure in the server's log; empty where the server gave none."""
        return self.metadata.get("error_id", "")

    def __str__(self) -> str:
        known = not self.error_id or self.error_id in self.message
        return super().__str__() if known else f"{super().__str__()} error id {self.error_id}"


class Other(SavorError):
    """A status that Savor's server does not send, from something on the way for instance: see `code`."""


_CLASSES: Mapping[grpc.StatusCode, type[SavorError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: WrongFamily,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Overloaded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.INTERNAL: Internal,
}


@contextmanager
def own_errors() -> Iterator[None]:
    """Turns what gRPC raises within, sync or aio, into SavorError, and the use of a closed client into ValueError."""
    try:
        yield
    except grpc.RpcError as error:
        raise from_rpc(error) from error
    except grpc.aio.UsageError as error:
        raise ValueError("the client is closed") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled the caller's task: gRPC raises this too when closing the channel cancels a call.
        raise Cancelled(Status("CANCELLED", "the client was closed during the call")) from error


def from_rpc(error: grpc.RpcError) -> SavorError:
    """The error that stands for a failed call, sync or aio."""
    info, bad_request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    for detail in _details(error):
        for message in (info, bad_request, retry):
            detail.Unpack(message)  # leaves the message as it is where the detail is of another type
    status = Status(
        code=error.code().name,
        message=error.details() or "",
        reason=info.reason,
        metadata=dict(info.metadata),
        violations=tuple(FieldViolation(each.field, each.description) for each in bad_request.field_violations),
        retry_after_s=_seconds(retry),
    )
    return _CLASSES.get(error.code(), Other)(status)


def _details(error: grpc.RpcError) -> Iterable[Any]:
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        # Something on the way changed the status and left the details of the old one: they no longer belong to it.
        return ()
    return () if status is None else status.details


def _seconds(retry: RetryInfo) -> float | None:
    delay = retry.retry_delay
    return delay.seconds + delay.nanos / 1e9 if retry.HasField("retry_delay") else None
