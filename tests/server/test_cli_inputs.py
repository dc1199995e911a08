"""What `savor call` sends, to a scripted server: inputs from arguments, files and stdin, parameters and options."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from typer.testing import CliRunner

from savor.server.cli.app import app
from savor.v1 import model_pb2
from tests.client.serving import Script, serve

# A model for each family, and the RPC that --json calls.
MODELS = {
    "labels": ("text-classification", "TextClassificationService", "ClassifyText"),
    "vectors": ("feature-extraction", "FeatureExtractionService", "EmbedText"),
    "writer": ("text-generation", "TextGenerationService", "GenerateText"),
    "listener": ("automatic-speech-recognition", "SpeechRecognitionService", "RecognizeSpeech"),
}


def _get_model(request: Any, _context: object) -> model_pb2.GetModelResponse:
    family, service, rpc = MODELS[request.model]
    model = model_pb2.Model(name=request.model, family=family, methods=[f"savor.v1.{service}/{rpc}"])
    return model_pb2.GetModelResponse(model=model)


def _empty(service: str, rpc: str) -> Message:
    method = descriptor_pool.Default().FindMethodByName(f"savor.v1.{service}.{rpc}")
    return GetMessageClass(method.output_type)()


@pytest.fixture
def script() -> Iterator[Script]:
    answers = {rpc: _empty(service, rpc) for _family, service, rpc in MODELS.values()}
    with serve(Script({**answers, "GetModel": _get_model})) as running:
        yield running


def sent(script: Script, *arguments: str, stdin: str | bytes | None = None) -> Any:
    """The request that a call came to."""
    result = CliRunner().invoke(app, ["call", "-s", script.target, *arguments, "--json"], input=stdin)
    assert result.exit_code == 0, result.output
    return script.requests[-1]


TEXTS = [
    pytest.param(["a\tb", "c"], None, ["a\tb", "c"], id="arguments, taken as they are"),
    pytest.param(["-"], "a\r\n\nb\tc", ["a", "", "b\tc"], id="lines of stdin"),
    pytest.param(["a", "-", "-f", "FILE"], "b\n", ["a", "b", "c\u2028d", " e"], id="arguments, stdin, files"),
]


@pytest.mark.parametrize(("arguments", "stdin", "expected"), TEXTS)
def test_texts(script: Script, tmp_path: Path, arguments: list[str], stdin: str | None, expected: list[str]) -> None:
    file = tmp_path / "texts"
    file.write_bytes("\ufeffc\u2028d\n e\n".encode())
    request = sent(script, "vectors", *[str(file) if each == "FILE" else each for each in arguments], stdin=stdin)
    assert list(request.inputs) == expected


PAIRS = [
    pytest.param(["a\tb"], None, [("a\tb", None)], id="a TAB in an argument is text"),
    pytest.param(["-"], "a\tb\tc\nd\n", [("a", "b\tc"), ("d", None)], id="a TAB in a line"),
    pytest.param(["a", "-o", "text_pair=b=c"], None, [("a", "b=c")], id="the option"),
]


@pytest.mark.parametrize(("arguments", "stdin", "expected"), PAIRS)
def test_pairs(script: Script, arguments: list[str], stdin: str | None, expected: list[tuple[str, str | None]]) -> None:
    inputs = sent(script, "labels", *arguments, stdin=stdin).inputs
    assert [(each.text, each.text_pair if each.HasField("text_pair") else None) for each in inputs] == expected


RECORDINGS = [
    pytest.param(["-"], [b"\x00RIFF\n"], id="stdin"),
    pytest.param(["-f", "FILE"], [b"\r\nfile"], id="file"),
    pytest.param(["FILE", "-"], [b"\r\nfile", b"\x00RIFF\n"], id="both"),
]


@pytest.mark.parametrize(("arguments", "expected"), RECORDINGS)
def test_recordings(script: Script, tmp_path: Path, arguments: list[str], expected: list[bytes]) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"\r\nfile")
    given = [str(file) if each == "FILE" else each for each in arguments]
    request = sent(script, "listener", *given, stdin=b"\x00RIFF\n")
    assert [each.content for each in request.inputs] == expected


def test_a_url_is_the_servers_to_read(script: Script) -> None:
    request = sent(script, "listener", "https://host/a.wav")
    assert request.inputs[0].uri == "https://host/a.wav"


def test_parameters_are_json_or_text(script: Script) -> None:
    given = [
        "max_new_tokens=3",
        "temperature=1",
        "do_sample=true",
        "word=a=b",
        'quoted="3"',
        "none=null",
        "list=[1, 2.0]",
    ]
    request = sent(script, "writer", "a", *[part for each in (*given, "nan=NaN") for part in ("-P", each)])
    parameters = request.parameters
    assert (parameters.max_new_tokens, parameters.temperature, parameters.do_sample) == (3, 1.0, True)
    extra = parameters.extra
    assert {name: extra[name].WhichOneof("kind") for name in extra} == {
        "word": "string_value",
        "quoted": "string_value",
        "none": "null_value",
        "list": "list_value",
        "nan": "string_value",
    }
    assert (extra["word"].string_value, extra["quoted"].string_value) == ("a=b", "3")


OPTIONS = [
    pytest.param("labels", "top_k=-1", {"topK": -1}, id="int32"),
    pytest.param("writer", "seed=9007199254740993", {"seed": "9007199254740993"}, id="int64"),
    pytest.param("vectors", "normalize=False", {"normalize": False}, id="bool"),
    pytest.param("vectors", "pooling=cls", {"pooling": "POOLING_CLS"}, id="enum"),
    pytest.param("listener", "timestamps=word", {"timestamps": "TIMESTAMP_GRANULARITY_WORD"}, id="another enum"),
    pytest.param("writer", "stop= =", {"stop": [" ="]}, id="text"),
]


@pytest.mark.parametrize(("model", "option", "expected"), OPTIONS)
def test_options_are_fields_of_the_request(
    script: Script, model: str, option: str, expected: dict[str, object]
) -> None:
    request = sent(script, model, "-", "-o", option, stdin="a")
    assert MessageToDict(request) == {"model": model, "inputs": ANY, **expected}


def test_an_option_may_be_repeated_where_the_field_is(script: Script) -> None:
    request = sent(script, "writer", "a", "-o", "stop=a", "-o", "stop=b")
    assert list(request.stop) == ["a", "b"]
