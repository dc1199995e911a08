"""Every way in which `savor call` and `savor models` fail: one message with the next step, a status, no traceback."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from typer.testing import CliRunner, Result

from savor.server.cli.app import app
from savor.v1 import model_pb2
from savor.v1 import text_generation_pb2 as generation
from tests.client.serving import Context, Script, failing, serve

WRITER = model_pb2.Model(
    name="writer",
    family="text-generation",
    state=model_pb2.MODEL_STATE_READY,
    methods=["savor.v1.TextGenerationService/GenerateText", "savor.v1.TextGenerationService/StreamGenerateText"],
)
LABELS = model_pb2.Model(
    name="labels", family="text-classification", methods=["savor.v1.TextClassificationService/ClassifyText"]
)
LISTENER = model_pb2.Model(
    name="listener",
    family="automatic-speech-recognition",
    methods=["savor.v1.SpeechRecognitionService/RecognizeSpeech"],
)
MODELS = {model.name: model for model in (WRITER, LABELS, LISTENER)}


@pytest.fixture
def script() -> Iterator[Script]:
    with serve(
        Script({"GetModel": lambda request, _context: model_pb2.GetModelResponse(model=MODELS[request.model])})
    ) as running:
        yield running


def savor(*arguments: str, stdin: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(app, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    return result


USAGE = [
    pytest.param(["writer"], "savor: no input: give INPUT…, --file FILE, or - to read stdin", id="no input"),
    pytest.param(["writer", "-"], "savor: no input: what was read holds no line", id="empty stdin"),
    pytest.param(["writer", "-", "-"], "savor: - can be given once: stdin is read whole", id="stdin twice"),
    pytest.param(
        ["writer", "-f", "/no/such"], "can't read /no/such: No such file or directory (--file", id="a text file missing"
    ),
    pytest.param(
        ["listener", "/no/[b]such"],
        "can't read /no/[b]such: No such file or directory (inputs of this model are audio files)",
        id="a recording missing",
    ),
    pytest.param(["listener", "/"], "can't read /: Is a directory", id="a folder"),
    pytest.param(["writer", "-f", sys.executable], "is not UTF-8 text: see its byte", id="a binary file"),
    pytest.param(["writer", "a\udcff"], "savor: an argument is not UTF-8 text", id="an argument of stray bytes"),
    pytest.param(["wri\udcffter", "a"], "savor: an argument is not UTF-8 text", id="a name of stray bytes"),
    pytest.param(["writer", "a", "-P", "b"], "--param takes KEY=VALUE, not 'b'", id="a parameter without value"),
    pytest.param(["writer", "a", "-P", "=b"], "--param takes KEY=VALUE, not '=b'", id="a parameter without key"),
    pytest.param(["writer", "a", "-P", "b=1", "-P", "b=2"], "--param b is given twice", id="a parameter twice"),
    pytest.param(["writer", "a", "-P", f"b={2**80}"], "parameters['b']", id="a parameter beyond 64 bits"),
    pytest.param(
        ["writer", "a", "-o", "top=3"],
        "StreamGenerateText has no option 'top'\nits options: stop=TEXT (repeatable), seed=a whole number",
        id="an unknown option",
    ),
    pytest.param(
        ["labels", "a", "-o", "truncation=3"],
        "truncation is a parameter: --param truncation=…\nits options: top_k=a whole number, text_pair=TEXT",
        id="an option that is a parameter",
    ),
    pytest.param(["writer", "a", "-o", "seed=x"], "--option seed takes a whole number, not 'x'", id="no number"),
    pytest.param(["labels", "a", "-o", f"top_k={2**31}"], "--option top_k takes a whole number", id="beyond 32 bits"),
    pytest.param(
        ["listener", "-", "-o", "timestamps=line"],
        "--option timestamps takes none|segment|word|character, not 'line'",
        id="no such choice",
    ),
    pytest.param(["writer", "a", "-o", "seed=1", "-o", "seed=2"], "--option seed is given twice", id="an option twice"),
    pytest.param(
        ["labels", "a", "b", "-o", "text_pair=c"], "--option text_pair goes with one text", id="a pair for two texts"
    ),
    pytest.param(
        ["writer", "a", "--rpc", "ClassifyText"],
        "writer (text-generation) has no RPC ClassifyText: use StreamGenerateText or GenerateText",
        id="an RPC of another family",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE)
def test_wrong_usage(script: Script, arguments: list[str], message: str) -> None:
    result = savor("call", "-s", script.target, *arguments, stdin="")
    assert message in result.stderr
    assert result.exit_code == 2
    assert not any(isinstance(request, generation.StreamGenerateTextRequest) for request in script.requests)


def test_an_unknown_flag_is_an_error() -> None:
    result = savor("call", "writer", "a", "--temperature", "3")
    assert "No such option" in result.stderr
    assert result.exit_code == 2


def test_a_server_without_port(script: Script) -> None:
    result = savor("models", "-s", "localhost")
    assert (result.stderr, result.exit_code) == ("savor: --server takes HOST:PORT, such as localhost:8500\n", 2)


@pytest.mark.parametrize("command", [["models"], ["models", "a"], ["call", "a", "b"]], ids=["list", "show", "call"])
def test_no_server(command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        target = f"127.0.0.1:{taken.getsockname()[1]}"
    result = savor(*command, "-s", target)
    first = f"savor: no server at {target}: start one with `savor serve …` or give --server"
    assert result.stderr.splitlines()[0] == first
    assert result.exit_code == 1


VIOLATIONS = BadRequest(
    field_violations=[
        BadRequest.FieldViolation(field="inputs[3]", description="is too [b]long[/]"),
        BadRequest.FieldViolation(field="parameters.top_p", description="is 7"),
    ]
)
# gRPC tries these again; a pushback below zero tells it not to.
NO_RETRY = (("grpc-retry-pushback-ms", "-1"),)
REFUSALS = [
    pytest.param(
        failing(grpc.StatusCode.INVALID_ARGUMENT, "two things", VIOLATIONS),
        "savor: the server refuses the request:\n  inputs[3]: is too [b]long[/]\n  parameters.top_p: is 7\n",
        id="each field on a line",
    ),
    pytest.param(
        failing(grpc.StatusCode.INVALID_ARGUMENT, "all of it"),
        "savor: the server refuses the request: all of it\n",
        id="no field",
    ),
    pytest.param(
        failing(grpc.StatusCode.NOT_FOUND, "no model is named 'x'"),
        "savor: no model is named 'x'\n`savor models -s TARGET` lists what is served\n",
        id="no such model",
    ),
    pytest.param(
        failing(grpc.StatusCode.FAILED_PRECONDITION, "another family"),
        "savor: another family\n`savor models MODEL -s TARGET` lists a model's RPCs\n",
        id="wrong family",
    ),
    pytest.param(
        failing(grpc.StatusCode.UNAVAILABLE, "still loading", ErrorInfo(reason="NOT_READY"), trailer=NO_RETRY),
        "savor: still loading\n`savor models -s TARGET` shows how far the models are\n",
        id="a model that is loading",
    ),
    pytest.param(
        failing(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "the queue is full",
            RetryInfo(retry_delay=Duration(nanos=200_000_000)),
            trailer=NO_RETRY,
        ),
        "savor: the queue is full\ntry again in 0.2 s\n",
        id="overloaded",
    ),
    pytest.param(
        failing(grpc.StatusCode.DEADLINE_EXCEEDED, "too late"),
        "savor: no answer in time: give it longer with --timeout SECONDS\n(too late)\n",
        id="too late",
    ),
    pytest.param(failing(grpc.StatusCode.INTERNAL, "see id 7"), "savor: see id 7 [INTERNAL]\n", id="internal"),
    pytest.param(
        failing(grpc.StatusCode.UNIMPLEMENTED, "what?"),
        "savor: what? [UNIMPLEMENTED]\nis it a Savor server that listens at TARGET?\n",
        id="another server",
    ),
]


@pytest.mark.parametrize(("answer", "message"), REFUSALS)
def test_the_server_refuses(script: Script, answer: Any, message: str) -> None:
    script.answers["StreamGenerateText"] = answer
    result = savor("call", "writer", "a", "-s", script.target)
    assert result.stderr == message.replace("TARGET", script.target)
    assert result.exit_code == 1


def test_a_stream_that_breaks_off_keeps_its_text_apart_from_the_error(script: Script) -> None:
    def answer(request: Any, context: Context) -> Any:
        yield generation.StreamGenerateTextResponse(results=[generation.TextGenerationDelta(text="so far")])
        failing(grpc.StatusCode.INTERNAL, "broken")(request, context)

    script.answers["StreamGenerateText"] = answer
    result = CliRunner().invoke(app, ["call", "writer", "a", "-s", script.target])
    assert (result.stdout, result.stderr) == ("so far\n", "savor: broken [INTERNAL]\n")
    assert result.exit_code == 1


UNKNOWN = [
    pytest.param(model_pb2.Model(name="m"), "m is still loading: try again soon", id="loading"),
    pytest.param(model_pb2.Model(name="m", family="telepathy"), "update savor", id="a family of the future"),
    pytest.param(
        model_pb2.Model(name="m", family="text-generation", methods=["savor.v1.TextGenerationService/Sing"]),
        "m answers Sing, which this version does not know",
        id="an RPC of the future",
    ),
    pytest.param(
        model_pb2.Model(name="m", family="text-generation", methods=["savor.v2.TextGenerationService/GenerateText"]),
        "m answers no RPC",
        id="a package of the future",
    ),
]


@pytest.mark.parametrize(("model", "message"), UNKNOWN)
def test_a_model_that_can_not_be_called(script: Script, model: model_pb2.Model, message: str) -> None:
    script.answers["GetModel"] = model_pb2.GetModelResponse(model=model)
    result = savor("call", "m", "a", "-s", script.target)
    assert message in result.stderr
    assert result.exit_code == 1


def test_ctrl_c_ends_a_call_under_way(script: Script) -> None:
    arrived, cancelled = threading.Event(), threading.Event()

    def answer(_request: Any, context: Context) -> Any:
        context.add_callback(cancelled.set)
        arrived.set()
        assert cancelled.wait(60)
        return generation.GenerateTextResponse()

    script.answers["GenerateText"] = answer
    program = "import sys; sys.argv[0] = 'savor'; from savor.server.__main__ import main; main()"
    command = [sys.executable, "-c", program, "call", "writer", "a", "--json", "-s", script.target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert arrived.wait(60)
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=60) == (b"", b"")
        assert running.returncode == 130
    assert cancelled.wait(60)
