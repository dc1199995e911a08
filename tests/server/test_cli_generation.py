"""`savor call` with a model that generates text: pieces as they come, sequences one after another, JSON lines."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from typer.testing import CliRunner, Result

from savor.server.cli.app import app
from savor.v1 import model_pb2
from savor.v1 import text_generation_pb2 as generation
from tests.client.serving import Answer, Context, Script, serve

TOLD = {"timing": {"queueS": 0.001, "runS": 1.5}, "modelVersion": "7"}
WRITER = model_pb2.Model(
    name="writer",
    family="text-generation",
    methods=["savor.v1.TextGenerationService/GenerateText", "savor.v1.TextGenerationService/StreamGenerateText"],
)


def _delta(text: str, sequence: tuple[int, int] = (0, 0), *, ended: bool = False) -> generation.TextGenerationDelta:
    reason = generation.FINISH_REASON_END_TOKEN if ended else None
    return generation.TextGenerationDelta(
        input=sequence[0], sequence=sequence[1], text=text, finish_reason=reason, token_count=2, prompt_token_count=4
    )


def _pieces(*replies: list[generation.TextGenerationDelta]) -> Iterator[Message]:
    for results in replies:
        yield generation.StreamGenerateTextResponse(results=results)
    yield ParseDict(TOLD, generation.StreamGenerateTextResponse())


def _stream(*replies: list[generation.TextGenerationDelta]) -> Answer:
    return lambda _request, _context: _pieces(*replies)


@pytest.fixture
def script() -> Iterator[Script]:
    with serve(Script({"GetModel": model_pb2.GetModelResponse(model=WRITER)})) as running:
        yield running


def call(script: Script, *arguments: str) -> Result:
    result = CliRunner().invoke(app, ["call", "-s", script.target, *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_generation_streams(script: Script) -> None:
    script.answers["StreamGenerateText"] = _stream([_delta("on[b]")], [_delta("ce\x1b[31m", ended=True)])
    result = call(script, "writer", "a")
    assert result.stdout == "on[b]ce␛[31m\n"
    assert result.stderr.startswith("4 prompt + 2 new tokens · ended by end token\n")
    assert "run 1.50 s" in result.stderr


def test_interleaved_sequences_are_shown_one_after_another(script: Script) -> None:
    first, second, third = (0, 0), (0, 1), (1, 0)
    script.answers["StreamGenerateText"] = _stream(
        [_delta("a1", first), _delta("b1", second)],
        [_delta("c1\n", third, ended=True), _delta("b2", second, ended=True)],
        [_delta("a2", first, ended=True)],
    )
    lines = call(script, "writer", "x", "y").stdout.splitlines()
    assert lines == ["[1] x", "a1a2", "[1] x, sequence 2", "b1b2", "[2] y", "c1"]


def test_generated_text_that_came_whole(script: Script) -> None:
    script.answers["GenerateText"] = ParseDict(
        {
            "results": [
                {
                    "sequences": [
                        {"text": "once", "finishReason": "FINISH_REASON_LENGTH", "tokenCount": 2},
                        {"text": "twice\n", "finishReason": "FINISH_REASON_STOP_SEQUENCE", "tokenCount": 3},
                    ],
                    "promptTokenCount": 4,
                }
            ]
        },
        generation.GenerateTextResponse(),
    )
    result = call(script, "writer", "a", "--rpc", "GenerateText")
    assert result.stdout == "once\nsequence 2\ntwice\n"
    assert "4 prompt + 3 new tokens · ended by stop sequence" in result.stderr


PROGRAM = "import sys; sys.argv[0] = 'savor'; from savor.server.__main__ import main; main()"


def test_text_is_printed_before_the_next_piece_comes(script: Script) -> None:
    seen = threading.Event()

    def answer(_request: Any, _context: Context) -> Iterator[Message]:
        pieces = _pieces([_delta("early ")], [_delta("late", ended=True)])
        yield next(pieces)
        assert seen.wait(60)
        yield from pieces

    script.answers["StreamGenerateText"] = answer
    command = [sys.executable, "-c", PROGRAM, "call", "writer", "a", "-s", script.target]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        try:
            assert running.stdout.read(6) == b"early "
        finally:
            seen.set()
        assert running.stdout.read() == b"late\n"


def test_json_of_a_stream_has_a_line_for_each_message(script: Script) -> None:
    script.answers["StreamGenerateText"] = _stream([_delta("a")], [_delta("b", ended=True)])
    lines = call(script, "writer", "é", "--json", "--rpc", "StreamGenerateText").stdout.splitlines()
    assert [[each["text"] for each in json.loads(line)["results"]] for line in lines] == [["a"], ["b"], []]
