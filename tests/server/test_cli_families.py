"""`savor call` with every family: real models answer on a real channel, and scripted answers look as they should."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import soundfile
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from savor.client import StreamingRecognizeSpeechReply, StreamingSpeechResult, Timing
from savor.server.cli.app import app
from savor.server.cli.families import FAMILIES
from savor.server.cli.screen import Screen
from savor.server.cli.speech import show_live
from savor.v1 import model_pb2
from tests.client.serving import SERVICES, Script, serve

RPCS = {rpc.name: (service, rpc) for service in SERVICES.values() for rpc in service.methods}


def _run(target: str, arguments: tuple[str, ...], stdin: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(app, ["call", "-s", target, *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


REAL = [
    pytest.param(("tagger", "Ann lives in Oslo"), "I-", id="entities"),
    pytest.param(("entailer", "a", "-o", "candidate_labels=x", "-o", "candidate_labels=y, z"), "y, z", id="zero-shot"),
    pytest.param(("reader", "Who?", "-o", "context=the cat"), "Who?", id="answers"),
    pytest.param(("table-reader", "How old?", "-o", "table=FOLDER/people.csv"), "How old?", id="table"),
    pytest.param(("masker", "a [MASK] b", "-o", "top_k=2"), "a [MASK] b", id="masks"),
    pytest.param(("text2text", "a b"), "", id="text to text"),
    pytest.param(("chatter", "Hi", "--rpc", "StreamCompleteChat", "-o", "system=Be brief."), "", id="chat"),
    pytest.param(("chatter", "Hi", "--rpc", "CompleteChat"), "", id="chat, whole"),
    pytest.param(("tagger", '{"inputs": ["a"]}', "--rpc", "Predict"), "predictions", id="prediction"),
    pytest.param(("audio-classifier", "FOLDER/a.wav"), "LABEL_0", id="audio"),
    pytest.param(("image-classifier", "FOLDER/a.png", "-o", "top_k=0"), "LABEL_1", id="images"),
    pytest.param(
        ("ctc", "FOLDER/a.pcm", "--rpc", "StreamingRecognizeSpeech", "-o", "sample_rate_hz=16000"), "s", id="live"
    ),
]


@pytest.mark.parametrize(("arguments", "shown"), REAL)
@pytest.mark.slow
def test_real_models_are_called(
    serving: Callable[..., Any], tmp_path: Path, arguments: tuple[str, ...], shown: str
) -> None:
    running = serving(*dict.fromkeys(case.values[0][0] for case in REAL))
    (tmp_path / "people.csv").write_text("name,age\nann,31\nbob,7\n")
    samples = numpy.random.default_rng(0).normal(0, 0.2, 16_000).astype("float32")
    soundfile.write(tmp_path / "a.wav", samples, 16_000)
    (tmp_path / "a.pcm").write_bytes((samples * 32767).astype("<i2").tobytes())
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    result = _run(running.target, tuple(each.replace("FOLDER", str(tmp_path)) for each in arguments))
    assert result.exit_code == 0, result.output
    assert shown in result.stdout
    assert result.stdout.strip()
    assert "in all" in result.stderr


LABELS = {"labels": [{"label": "good", "score": 0.75}, {"label": "b, c", "score": 0.25}]}
WRITTEN = {"sequences": [{"text": "so", "finishReason": "FINISH_REASON_LENGTH", "tokenCount": 2}]}
SAID = {"message": {"content": "so"}, "finishReason": "FINISH_REASON_LENGTH", "tokenCount": 2}
ENTITIES = [
    {"label": "PER", "word": "Ann", "start": 0, "end": 3, "score": 0.5},
    {"label": "LOC", "word": "x\ny", "score": 1},
]

# An RPC, the results of its answer, arguments, and the words of the lines that are shown.
SHOWN: list[tuple[str, Any, list[str], list[list[str]]]] = [
    (
        "ClassifyTokens",
        [{"entities": ENTITIES}, {}],
        ["a", "b"],
        [["a", "Ann", "PER", "0-3", "0.5000", "█" * 10], ["x↵y", "LOC", "-", "1.0000", "█" * 20], ["b", "none"]],
    ),
    (
        "ClassifyZeroShot",
        [LABELS],
        ["a", "-o", "candidate_labels=x"],
        [["a", "good", "0.7500", "█" * 15], ["b,", "c", "0.2500", "█" * 5]],
    ),
    (
        "AnswerQuestion",
        [{"answers": [{"text": "the cat", "score": 0.5, "start": 2, "end": 9}, {"score": 0.25}]}],
        ["Who?", "-o", "context=x"],
        [["Who?", "the", "cat", "2-9", "0.5000", "█" * 10], ["no", "answer", "0-0", "0.2500", "█" * 5]],
    ),
    (
        "AnswerTableQuestion",
        [{"answer": "SUM > 1, 2", "coordinates": [{"row": 0, "column": 1}, {"row": 2, "column": 1}]}],
        ["Sum?", "-o", "table=TABLE"],
        [["Sum?", "SUM", ">", "1,", "2", "(0,", "1)", "(2,", "1)"]],
    ),
    (
        "FillMask",
        [{"masks": [{"candidates": [{"token": "x", "score": 0.5, "sequence": "x [MASK]"}]}, {"candidates": [{}]}]}],
        ["two"],
        [["two", "1", "x", "0.5000", "█" * 10, "x", "[MASK]"], ["2", "0.0000"]],
    ),
    ("ClassifyAudio", [LABELS], ["-"], [["stdin", "good", "0.7500", "█" * 15], ["b,", "c", "0.2500", "█" * 5]]),
    ("ClassifyImage", [LABELS], ["-"], [["stdin", "good", "0.7500", "█" * 15], ["b,", "c", "0.2500", "█" * 5]]),
    ("TransformText", [WRITTEN], ["a"], [["so"]]),
    ("SummarizeText", [WRITTEN], ["a"], [["so"]]),
    ("TranslateText", [WRITTEN], ["a"], [["so"]]),
    ("CompleteChat", [{"replies": [SAID, SAID]}], ["a"], [["so"], ["sequence", "2"], ["so"]]),
]


@pytest.fixture
def script() -> Iterator[Script]:
    with serve(Script()) as running:
        yield running


def _model(rpc: str) -> model_pb2.GetModelResponse:
    """A model that answers one RPC."""
    family = next(name for name, rpcs in FAMILIES.items() if rpc in rpcs)
    service, method = RPCS[rpc]
    methods = [f"{service.full_name}/{method.name}"]
    return model_pb2.GetModelResponse(model=model_pb2.Model(name="m", family=family, methods=methods))


@pytest.mark.parametrize(("rpc", "results", "arguments", "lines"), SHOWN, ids=[case[0] for case in SHOWN])
def test_an_answer_is_shown(
    script: Script, tmp_path: Path, rpc: str, results: Any, arguments: list[str], lines: list[list[str]]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    script.answers |= {
        "GetModel": _model(rpc),
        rpc: ParseDict({"results": results, "modelVersion": "7"}, GetMessageClass(RPCS[rpc][1].output_type)()),
    }
    result = _run(script.target, ("m", *(each.replace("TABLE", str(table)) for each in arguments)), stdin=b"x")
    shown = [line.split() for line in result.stdout.splitlines()]
    assert shown[-len(lines) :] == lines, result.output
    assert "version 7" in result.stderr


def test_a_prediction_is_shown_as_it_came(script: Script) -> None:
    body = '{"predictions": [{"label": "[red]x", "score": 0.10}]}'
    answer = ParseDict({"json": body, "modelVersion": "7"}, GetMessageClass(RPCS["Predict"][1].output_type)())
    script.answers |= {"GetModel": _model("Predict"), "Predict": answer}
    assert _run(script.target, ("m", "{}", "--rpc", "Predict")).stdout == f"{body}\n"


def _heard(text: str, *, final: bool, **more: Any) -> StreamingSpeechResult:
    return StreamingSpeechResult(text, final, 0.5, 1.25, (), **more)


def _live(*results: StreamingSpeechResult, terminal: bool) -> tuple[str, StreamingRecognizeSpeechReply]:
    """What is shown of some results, one in each reply, and the reply that the footer tells of."""
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=80)
    replies = [
        StreamingRecognizeSpeechReply((each,), Timing(), ("first",) * (not number), str(number))
        for number, each in enumerate(results)
    ]
    last = show_live(Screen(console, console), [], replies)
    assert isinstance(last, StreamingRecognizeSpeechReply)
    return shown.getvalue(), last


def test_a_pipe_gets_the_final_results_of_live_speech() -> None:
    results = _heard("hel", final=False), _heard(" hello", final=True), _heard("you", final=True)
    shown, last = _live(*results, terminal=False)
    assert shown == "0.5-1.2 s  hello\n0.5-1.2 s  you\n"
    assert (last.warnings, last.model_version) == (("first",), "2")


def test_a_terminal_sees_interim_results_too() -> None:
    shown, _last = _live(_heard("hel", final=False), _heard("hello", final=True), terminal=True)
    assert shown.index("hel") < shown.index("hello")


@pytest.mark.parametrize("as_json", [True, False], ids=["JSON", "text"])
def test_live_speech_from_stdin(script: Script, *, as_json: bool) -> None:
    arrived: list[Any] = []

    def answer(requests: Iterator[Any], _context: object) -> Iterator[Any]:
        arrived.extend(requests)
        heard = {"results": [{"text": "hi", "isFinal": True}], "modelVersion": "7"}
        yield ParseDict(heard, GetMessageClass(RPCS["StreamingRecognizeSpeech"][1].output_type)())

    script.answers |= {"GetModel": _model("StreamingRecognizeSpeech"), "StreamingRecognizeSpeech": answer}
    options = ("-o", "sample_rate_hz=8000", "-o", "encoding=f32le", "-P", "language=en", *(["--json"] * as_json))
    result = _run(script.target, ("m", "-", "--rpc", "StreamingRecognizeSpeech", *options), stdin=b"x" * 5000)
    assert arrived[0].config.sample_rate_hz == 8000
    assert arrived[0].config.parameters.language == "en"
    assert [len(each.samples) for each in arrived[1:]] == [3200, 1800]
    text = json.loads(result.stdout)["results"][0]["text"] if as_json else result.stdout.split()[-1]
    assert text == "hi"
