"""What `savor call` sends beside its inputs, to a scripted server: contexts, tables, earlier messages, and what it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner, Result

from savor.server.cli.app import app
from savor.server.cli.families import FAMILIES
from savor.v1 import model_pb2
from tests.client.serving import SERVICES, Script, serve

SERVICE_OF = {rpc.name: service for service in SERVICES.values() for rpc in service.methods}


def _get_model(request: Any, _context: object) -> model_pb2.GetModelResponse:
    """A model of the family that it is named after, which answers all of its RPCs, chats where it writes, and Predict."""
    rpcs = [*FAMILIES[request.model], *(FAMILIES["chat"] if request.model == "text-generation" else ()), "Predict"]
    methods = [f"{SERVICE_OF[rpc].full_name}/{rpc}" for rpc in rpcs]
    return model_pb2.GetModelResponse(model=model_pb2.Model(name="m", family=request.model, methods=methods))


@pytest.fixture
def script() -> Iterator[Script]:
    with serve(Script({"GetModel": _get_model})) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of files that options name as FOLDER/…."""
    (tmp_path / "people.csv").write_bytes('\ufeffname,age\r\nann,31\r\n"b, \nb",1.50\r\n\r\n'.encode())
    (tmp_path / "people.json").write_text('[{"name": "ann", "age": 31}, {"name": "b, \\nb", "age": 1.50}]')
    (tmp_path / "columns.JSON").write_text('{"name": ["ann", "b, \\nb"], "age": [31, 1.50]}')
    (tmp_path / "twice.csv").write_text("a,a\n1,2\n")
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1\n")
    (tmp_path / "open.csv").write_text('a,b\n"1,2\n')
    (tmp_path / "null.json").write_text('{"a": [null]}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "object.json").write_text("{}")
    (tmp_path / "binary").write_bytes(b"a\xff")
    (tmp_path / "context.txt").write_text("the cat\nsat")
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?", "name": "bot"}]
    (tmp_path / "history.json").write_text(json.dumps(history))
    (tmp_path / "bare.json").write_text('["Hi"]')
    (tmp_path / "body.json").write_text('{"inputs":\n["a"]}\n')
    return tmp_path


def call(script: Script, folder: Path, *arguments: str, stdin: str | None = None) -> Result:
    given = [each.replace("FOLDER", str(folder)) for each in arguments]
    result = CliRunner().invoke(app, ["call", "-s", script.target, *given, "--json"], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def _question(question: str, context: str) -> dict[str, str]:
    return {"question": question, "context": context}


def _message(role: str, content: str, **more: str) -> dict[str, str]:
    return {"role": role, "content": content, **more}


TABLE = {"columns": [{"name": "name", "cells": ["ann", "b, \nb"]}, {"name": "age", "cells": ["31", "1.50"]}]}
HISTORY = [_message("user", "Hi"), _message("assistant", "Yes?", name="bot")]

SENT: list[Any] = [
    pytest.param(
        ["question-answering", "q", "r", "-o", "context=c=@d"],
        None,
        {"inputs": [_question("q", "c=@d"), _question("r", "c=@d")]},
        id="one context for all",
    ),
    pytest.param(
        ["question-answering", "q", "-o", "context=@FOLDER/context.txt"],
        None,
        {"inputs": [_question("q", "the cat\nsat")]},
        id="a context from a file",
    ),
    pytest.param(
        ["question-answering", "-", "-o", "top_k=2"],
        "q\tc\td\nr\te\n",
        {"inputs": [_question("q", "c\td"), _question("r", "e")], "topK": 2},
        id="lines with their contexts",
    ),
    pytest.param(
        ["question-answering", "-", "-o", "context=x"],
        "q\tc\nr\n",
        {"inputs": [_question("q", "c"), _question("r", "x")]},
        id="a line's own context comes first",
    ),
    *(
        pytest.param(
            ["table-question-answering", "q", "-o", f"table=FOLDER/{name}"],
            None,
            {"inputs": ["q"], "table": TABLE},
            id=f"a table from {name}",
        )
        for name in ("people.csv", "people.json", "columns.JSON")
    ),
    pytest.param(
        ["zero-shot-classification", "a", "-o", "candidate_labels=x, y", "-o", "candidate_labels=z"],
        None,
        {"inputs": ["a"], "candidateLabels": ["x, y", "z"]},
        id="labels",
    ),
    pytest.param(
        ["chat", "a", "b", "-o", "system=Be brief."],
        None,
        {"inputs": [{"messages": [_message("system", "Be brief."), _message("user", each)]} for each in "ab"]},
        id="a conversation for each input",
    ),
    pytest.param(
        ["chat", "a", "-o", "system=Be brief.", "-o", "history=FOLDER/history.json"],
        None,
        {"inputs": [{"messages": [_message("system", "Be brief."), *HISTORY, _message("user", "a")]}]},
        id="system, history, input",
    ),
    pytest.param(
        ["text-generation", "a", "--rpc", "CompleteChat"],
        None,
        {"inputs": [{"messages": [_message("user", "a")]}]},
        id="an RPC of another family of the model's",
    ),
    pytest.param(["text-generation", "a"], None, {"inputs": ["a"]}, id="the family that the model names"),
    pytest.param(
        ["fill-mask", '{"inputs": "a"}', "--rpc", "Predict"], None, {"json": '{"inputs": "a"}'}, id="a JSON body"
    ),
    pytest.param(["fill-mask", "-", "--rpc", "Predict"], "[1,\n2]\n", {"json": "[1,\n2]\n"}, id="a body from stdin"),
    pytest.param(
        ["fill-mask", "-f", "FOLDER/body.json", "--rpc", "Predict"],
        None,
        {"json": '{"inputs":\n["a"]}\n'},
        id="a body from a file",
    ),
    pytest.param(
        ["image-classification", "FOLDER/context.txt", "https://x/y.png"],
        None,
        {"inputs": [{"content": "dGhlIGNhdApzYXQ="}, {"uri": "https://x/y.png"}]},
        id="images",
    ),
]


@pytest.mark.parametrize(("arguments", "stdin", "expected"), SENT)
def test_the_request_that_a_call_comes_to(
    script: Script, folder: Path, arguments: list[str], stdin: str | None, expected: dict[str, Any]
) -> None:
    result = call(script, folder, *arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    assert MessageToDict(script.requests[-1]) == {"model": arguments[0], **expected}


REFUSED = [
    pytest.param(["question-answering", "q"], "'q' needs a context: --option context=TEXT", id="no context"),
    pytest.param(["question-answering", "q", "-o", "context=@FOLDER/no"], "can't read", id="no such file"),
    pytest.param(["question-answering", "q", "-o", "context=@FOLDER/binary"], "is not UTF-8 text", id="not text"),
    pytest.param(["table-question-answering", "q"], "needs --option table=FILE.csv or FILE.json", id="no table"),
    pytest.param(["zero-shot-classification", "a"], "needs --option candidate_labels=TEXT", id="no labels"),
    pytest.param(["table-question-answering", "q", "-o", "table=FOLDER/twice.csv"], "names a column twice", id="twice"),
    pytest.param(
        ["table-question-answering", "q", "-o", "table=FOLDER/ragged.csv"], "1 cells in row 2, not 2", id="ragged"
    ),
    pytest.param(["table-question-answering", "q", "-o", "table=FOLDER/open.csv"], "is not CSV", id="not CSV"),
    pytest.param(["table-question-answering", "q", "-o", "table=FOLDER/broken.json"], "is not JSON", id="not JSON"),
    pytest.param(
        ["table-question-answering", "q", "-o", "table=FOLDER/null.json"], "table['a'][0] must be a str", id="null"
    ),
    pytest.param(["chat", "a", "-o", "history=FOLDER/object.json"], "must be a JSON list of messages", id="no list"),
    pytest.param(["chat", "a", "-o", "history=FOLDER/bare.json"], "inputs[0].messages[0] must be", id="no message"),
    pytest.param(["text-classification", "a", "-o", "context=x"], "has no option 'context'", id="another's option"),
    pytest.param(["fill-mask", "{}", "{}", "--rpc", "Predict"], "Predict takes one input, not 2", id="two bodies"),
    pytest.param(["fill-mask", "{}", "--rpc", "Predict", "-P", "top_k=2"], "Predict has no --param", id="parameters"),
    pytest.param(["fill-mask", "{}", "--rpc", "Predict", "-o", "csv=a"], "has no option 'csv'", id="no options"),
    pytest.param(["fill-mask", "a", "--rpc", "CompleteChat"], "has no RPC CompleteChat: use FillMask or", id="RPC"),
    pytest.param(
        ["automatic-speech-recognition", "FOLDER/body.json", "--rpc", "StreamingRecognizeSpeech"],
        "needs --option sample_rate_hz=a whole number",
        id="no rate",
    ),
]


@pytest.mark.parametrize(("arguments", "words"), REFUSED)
def test_what_can_not_be_sent_is_refused(script: Script, folder: Path, arguments: list[str], words: str) -> None:
    result = call(script, folder, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""
    assert not [each for each in script.requests if not isinstance(each, model_pb2.GetModelRequest)]
