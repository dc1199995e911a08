"""The error table: every class of the tree has a code and its details, and INTERNAL says nothing of what happened."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from savor.flavor import errors
from savor.flavor.errors import InvalidInput, Overloaded, SavorError, UnsupportedParameter, Violation
from savor.server import status
from savor.server.status import CODES, status_of, trailers

SECRET = "/home/operator/model.py holds the password"


def _every(kind: type[SavorError]) -> list[type[SavorError]]:
    return [below for child in kind.__subclasses__() for below in (child, *_every(child))]


EVERY = [pytest.param(kind, id=kind.__name__) for kind in _every(SavorError)]

EXPECTED = {
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


def _make(kind: type[SavorError], sentence: str = "a sentence") -> SavorError:
    if issubclass(kind, InvalidInput):
        return kind(Violation("inputs[3].text", sentence))
    return Overloaded(sentence, 1.25) if kind is Overloaded else kind(sentence)


def _details(error: BaseException) -> dict[str, Message]:
    """The details of an error's status by the names of their types."""
    kinds = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
    found = {}
    for box in status_of(error).details:
        for kind in kinds:
            message = kind()
            if box.Unpack(message):
                found[kind.DESCRIPTOR.name] = message
    assert len(found) == len(status_of(error).details)
    return found


@pytest.mark.parametrize("kind", EVERY)
def test_every_error_has_its_code(kind: type[SavorError]) -> None:
    assert CODES[kind] is EXPECTED[kind]
    assert status_of(_make(kind)).code == EXPECTED[kind].value[0]


def test_the_table_holds_nothing_else() -> None:
    assert CODES.keys() == EXPECTED.keys() == {param.values[0] for param in EVERY}


@pytest.mark.parametrize("kind", EVERY)
def test_every_error_says_its_reason(kind: type[SavorError]) -> None:
    info = _details(_make(kind))["ErrorInfo"]
    expected = "INTERNAL" if kind is errors.ExecutionFailed else kind.reason
    assert (info.reason, info.domain) == (expected, "savor")


@pytest.mark.parametrize("kind", EVERY)
def test_every_error_but_internal_says_its_sentence(kind: type[SavorError]) -> None:
    assert ("a sentence" in status_of(_make(kind)).message) == (kind is not errors.ExecutionFailed)


@pytest.mark.parametrize("kind", EVERY)
def test_details_that_only_some_have(kind: type[SavorError]) -> None:
    expected = {"ErrorInfo"}
    expected |= {"BadRequest"} if issubclass(kind, InvalidInput) else set()
    expected |= {"RetryInfo"} if kind is Overloaded else set()
    assert _details(_make(kind)).keys() == expected


def test_a_bad_request_names_every_field() -> None:
    error = UnsupportedParameter(Violation("parameters.a", "is unknown"), Violation("parameters.b", "is wrong"))
    violations = _details(error)["BadRequest"].field_violations
    assert [(v.field, v.description) for v in violations] == [
        ("parameters.a", "is unknown"),
        ("parameters.b", "is wrong"),
    ]


def test_halves_of_characters_do_not_stop_an_error_on_its_way() -> None:
    error = InvalidInput.at("inputs.\ud800", "is '\ud800'")
    assert status_of(error).message == "inputs.?: is '?'"
    [violation] = _details(error)["BadRequest"].field_violations
    assert (violation.field, violation.description) == ("inputs.?", "is '?'")


@pytest.mark.parametrize(("seconds", "milliseconds"), [(0.05, "50"), (1.25, "1250"), (30.0, "30000")], ids=str)
def test_an_overload_says_when_to_come_back(seconds: float, milliseconds: str) -> None:
    error = Overloaded("full", seconds)
    assert _details(error)["RetryInfo"].retry_delay.ToNanoseconds() == round(seconds * 1e9)
    assert trailers(error) == (("grpc-retry-pushback-ms", milliseconds),)


@pytest.mark.parametrize("kind", [param for param in EVERY if param.values[0] is not Overloaded])
def test_no_other_error_pushes_back(kind: type[SavorError]) -> None:
    assert trailers(_make(kind)) == ()


def _caused() -> errors.ExecutionFailed:
    error = errors.ExecutionFailed("the model failed on this request")
    error.__cause__ = ValueError(SECRET)
    return error


INTERNAL = [
    pytest.param(errors.ExecutionFailed(SECRET), id="a failed execution"),
    pytest.param(_caused(), id="a failed execution with a cause"),
    pytest.param(ValueError(SECRET), id="an error outside the tree"),
    pytest.param(KeyError(SECRET), id="another"),
    pytest.param(SavorError(SECRET), id="the root of the tree, which the table lacks"),
    pytest.param(RuntimeError(), id="an error without text"),
]


@pytest.mark.parametrize("error", INTERNAL)
def test_internal_never_leaks_text(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "savor.server.status"):
        told = status_of(error)
    assert told.code == grpc.StatusCode.INTERNAL.value[0]
    assert b"password" not in told.SerializeToString()
    assert type(error).__name__.encode() not in told.SerializeToString()
    [record] = caplog.records
    info = error_details_pb2.ErrorInfo()
    assert told.details[0].Unpack(info)
    error_id = info.metadata["error_id"]
    assert error_id in told.message
    assert error_id in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_every_internal_error_has_an_id_of_its_own() -> None:
    assert status_of(ValueError()).message != status_of(ValueError()).message


def test_what_the_caller_got_wrong_is_not_logged_as_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    status_of(InvalidInput.at("inputs", "is empty"))
    assert not caplog.records


Raise = Callable[[BaseException], None]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[tuple[grpc.aio.Channel, Raise]]:
    """A real server that ends each call with the error that it was given last."""
    given: list[BaseException] = []

    async def behavior(request: bytes, context: Any) -> bytes:
        await status.abort(context, given[-1])

    handlers = {"Fail": grpc.unary_unary_rpc_method_handler(behavior)}
    serving = grpc.aio.server()
    serving.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Failing", handlers),))
    port = serving.add_insecure_port("127.0.0.1:0")
    await serving.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel, given.append
    await serving.stop(None)


async def _fail(server: tuple[grpc.aio.Channel, Raise], error: BaseException) -> grpc.aio.AioRpcError:
    """The error as a caller sees it."""
    channel, give = server
    give(error)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/test.Failing/Fail")(b"", timeout=20)
    return caught.value


@pytest.mark.parametrize("kind", EVERY)
async def test_every_error_arrives(server: Any, kind: type[SavorError]) -> None:
    seen = await _fail(server, _make(kind))
    assert seen.code() is EXPECTED[kind]
    told = rpc_status.from_call(seen)
    assert told is not None
    assert told.details[0].TypeName() == "google.rpc.ErrorInfo"
    pushback = dict(seen.trailing_metadata()).get("grpc-retry-pushback-ms")
    assert pushback == ("1250" if kind is Overloaded else None)


LARGE = [
    pytest.param(InvalidInput.at("inputs[0]", "x" * 100_000), id="a long problem"),
    pytest.param(InvalidInput.at("inputs[0]", "é日🙂" * 10_000), id="a long problem in other letters"),
    pytest.param(InvalidInput(*(Violation(f"inputs[{i}]", "is wrong") for i in range(5_000))), id="many violations"),
    pytest.param(InvalidInput(*(Violation(f"inputs[{i}]", "x" * 3_000) for i in range(99))), id="many long violations"),
    pytest.param(UnsupportedParameter.at(f"parameters.{'x' * 100_000}", "is unknown"), id="a long name"),
    pytest.param(errors.UnknownModel(f"no model is named {'x' * 100_000!r}"), id="a long model name"),
    pytest.param(InvalidInput.at("a\nb\0", "c\nd\0"), id="line ends and zeros"),
]


@pytest.mark.parametrize("error", LARGE)
async def test_an_error_of_any_size_arrives(server: Any, error: SavorError) -> None:
    """They travel in trailers, of which gRPC takes 8 KiB for sure."""
    seen = await _fail(server, error)
    assert seen.code() is CODES[type(error)]
    told = rpc_status.from_call(seen)
    assert told is not None
    assert sum(len(key) + len(value) for key, value in seen.trailing_metadata()) < 8 * 1024
