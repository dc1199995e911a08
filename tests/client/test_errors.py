"""How each failed call comes up, sync and aio, streams included: always as a SavorError with all the server said."""

import asyncio
import pickle
import threading
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from savor.client import (
    Cancelled,
    DeadlineExceeded,
    FieldViolation,
    Internal,
    InvalidArgument,
    NotFound,
    Other,
    Overloaded,
    SavorError,
    Status,
    Unavailable,
    WrongFamily,
)
from savor.v1 import model_pb2, text_generation_pb2
from tests.client.conftest import Connector, EitherClient
from tests.client.serving import Context, Script, failing

INFO = ErrorInfo(reason="WHY", domain="savor", metadata={"model": "m", "error_id": "e1"})
VIOLATIONS = BadRequest(
    field_violations=[
        BadRequest.FieldViolation(field="inputs[3].text", description="is too long"),
        BadRequest.FieldViolation(field="top_k", description="must be 0 or more"),
    ]
)

CODES = [
    (grpc.StatusCode.INVALID_ARGUMENT, InvalidArgument),
    (grpc.StatusCode.NOT_FOUND, NotFound),
    (grpc.StatusCode.FAILED_PRECONDITION, WrongFamily),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
    (grpc.StatusCode.UNAVAILABLE, Unavailable),
    (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
    (grpc.StatusCode.CANCELLED, Cancelled),
    (grpc.StatusCode.INTERNAL, Internal),
    (grpc.StatusCode.UNAUTHENTICATED, Other),
    (grpc.StatusCode.UNKNOWN, Other),
]
by_code = pytest.mark.parametrize(("code", "kind"), CODES, ids=[code.name for code, _ in CODES])


@by_code
async def test_a_status_becomes_its_error(
    either: EitherClient, script: Script, code: grpc.StatusCode, kind: type[SavorError]
) -> None:
    script.answers["GetModel"] = failing(code, "No such luck.", INFO)
    with pytest.raises(SavorError) as caught:
        await either.call("get_model")
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.message, error.reason) == (code.name, "No such luck.", "WHY")
    assert error.metadata == {"model": "m", "error_id": "e1"}
    assert "No such luck." in str(error)
    assert code.name in str(error)


@by_code
async def test_a_stream_fails_with_the_same_error(
    either: EitherClient, script: Script, code: grpc.StatusCode, kind: type[SavorError]
) -> None:
    script.answers["StreamGenerateText"] = failing(code, "No such luck.", INFO)
    with pytest.raises(SavorError) as caught:
        await either.stream("a")
    assert type(caught.value) is kind
    assert caught.value.reason == "WHY"


async def test_a_stream_that_fails_later_gives_what_came_before(either: EitherClient, script: Script) -> None:
    fail = failing(grpc.StatusCode.INTERNAL, "Broken.", INFO)

    def answer(request: Any, context: Context) -> Any:
        yield text_generation_pb2.StreamGenerateTextResponse(model_version="1")
        fail(request, context)

    script.answers["StreamGenerateText"] = answer
    with pytest.raises(Internal) as caught:
        await either.stream("a")
    assert caught.value.error_id == "e1"


SENTENCES = [
    pytest.param(
        "Bad request.",
        "Bad request. [INVALID_ARGUMENT] inputs[3].text: is too long; top_k: must be 0 or more",
        id="the sentence names no field",
    ),
    pytest.param(
        "inputs[3].text: is too long; top_k: must be 0 or more",
        "inputs[3].text: is too long; top_k: must be 0 or more [INVALID_ARGUMENT]",
        id="the sentence names them",
    ),
]


@pytest.mark.parametrize(("sentence", "expected"), SENTENCES)
async def test_violations_name_each_field(either: EitherClient, script: Script, sentence: str, expected: str) -> None:
    script.answers["ClassifyText"] = failing(grpc.StatusCode.INVALID_ARGUMENT, sentence, INFO, VIOLATIONS)
    with pytest.raises(InvalidArgument) as caught:
        await either.call("classify_text", "a")
    assert caught.value.violations == (
        FieldViolation("inputs[3].text", "is too long"),
        FieldViolation("top_k", "must be 0 or more"),
    )
    assert str(caught.value) == expected


RETRIES = [
    pytest.param([RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))], 2.5, id="told"),
    pytest.param([RetryInfo()], None, id="told nothing"),
    pytest.param([], None, id="not told"),
]


@pytest.mark.parametrize(("details", "expected"), RETRIES)
async def test_an_overload_says_when_to_come_back(
    either: EitherClient, script: Script, details: list[RetryInfo], expected: float | None
) -> None:
    script.answers["GetModel"] = failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "Full.", *details)
    with pytest.raises(Overloaded) as caught:
        await either.call("get_model")
    assert caught.value.retry_after_s == expected


def _bare(_request: Any, context: Context) -> Any:
    context.abort(grpc.StatusCode.NOT_FOUND, "Gone.")


def _garbled(_request: Any, context: Context) -> Any:
    context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "Gone.")


def _rewritten(_request: Any, context: Context) -> Any:
    """What a proxy sends that changes a status and keeps the details of the old one."""
    old = status_pb2.Status(code=grpc.StatusCode.INTERNAL.value[0], message="Broken.")
    old.details.add().Pack(INFO)
    context.set_trailing_metadata((("grpc-status-details-bin", old.SerializeToString()),))
    context.abort(grpc.StatusCode.NOT_FOUND, "Gone.")


@pytest.mark.parametrize("answer", [_bare, _garbled, _rewritten], ids=["no details", "garbled", "of another status"])
async def test_a_status_alone_will_do(either: EitherClient, script: Script, answer: Any) -> None:
    script.answers["GetModel"] = answer
    with pytest.raises(NotFound) as caught:
        await either.call("get_model")
    assert caught.value.status == Status("NOT_FOUND", "Gone.")


async def test_the_deadline_is_an_error_of_its_own(either: EitherClient, script: Script) -> None:
    released = threading.Event()

    def wait(_request: Any, _context: Context) -> Any:
        released.wait(30)
        return model_pb2.ListModelsResponse()

    script.answers["ListModels"] = wait
    script.answers["StreamGenerateText"] = lambda request, context: iter([wait(request, context)][:0])
    try:
        with pytest.raises(DeadlineExceeded):
            await either.call("list_models", timeout_s=0.05)
        with pytest.raises(DeadlineExceeded):
            await either.stream("a", timeout_s=0.05)
    finally:
        released.set()


async def test_no_server_is_unavailable(connector: Connector) -> None:
    async with connector("localhost:1", retries=0) as client:
        with pytest.raises(Unavailable):
            await client.call("list_models")
        with pytest.raises(Unavailable):
            await client.stream("a")


async def test_a_closed_client_refuses_calls(either: EitherClient) -> None:
    await either.close()
    with pytest.raises(ValueError, match="closed"):
        await either.call("list_models")
    with pytest.raises(ValueError, match="closed"):
        await either.stream("a")


async def test_closing_the_client_ends_its_calls(either: EitherClient, script: Script) -> None:
    arrived, released = threading.Event(), threading.Event()

    def wait(_request: Any, _context: Context) -> Any:
        arrived.set()
        released.wait(30)
        return model_pb2.ListModelsResponse()

    script.answers["ListModels"] = wait
    call = asyncio.ensure_future(either.call("list_models"))
    await asyncio.to_thread(arrived.wait, 30)
    try:
        await either.close()
        with pytest.raises(Cancelled):
            await call
    finally:
        released.set()


ERRORS = [kind for _code, kind in CODES[:-1]]


@pytest.mark.parametrize("kind", ERRORS, ids=[kind.__name__ for kind in ERRORS])
def test_an_error_survives_pickling(kind: type[SavorError]) -> None:
    status = Status("CODE", "Said.", "WHY", {"error_id": "e1"}, (FieldViolation("a", "b"),), 1.0)
    copy = pickle.loads(pickle.dumps(kind(status)))
    assert type(copy) is kind
    assert copy.status == status
    assert str(copy) == str(kind(status))
