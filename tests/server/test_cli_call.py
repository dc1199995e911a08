"""`savor call` against a scripted server: what each family's answer looks like, as tables, as it comes, and as JSON."""

import array
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from rich.console import Console
from typer.testing import CliRunner, Result

from savor.client import ClassifyTextReply, Client, ScoredLabel, TextClassificationResult, Timing
from savor.flavor import table
from savor.server.cli.answers import show_labels
from savor.server.cli.app import app
from savor.server.cli.families import FAMILIES
from savor.server.cli.inputs import Input
from savor.server.cli.screen import Screen
from savor.v1 import common_pb2, feature_extraction_pb2, model_pb2
from savor.v1 import speech_recognition_pb2 as speech
from savor.v1 import text_classification_pb2 as classification
from savor.v1 import text_generation_pb2 as generation
from tests.client.serving import Context, Script, serve

MODELS = {
    "labels": ("text-classification", "TextClassificationService", ["ClassifyText"]),
    "vectors": ("feature-extraction", "FeatureExtractionService", ["ExtractFeatures", "EmbedText"]),
    "writer": ("text-generation", "TextGenerationService", ["GenerateText", "StreamGenerateText"]),
    "listener": ("automatic-speech-recognition", "SpeechRecognitionService", ["RecognizeSpeech"]),
}
TOLD = {"timing": {"queueS": 0.001, "runS": 1.5}, "warnings": ["[bold]mind[/]"], "modelVersion": "7"}
ANSWERS: dict[str, Any] = {
    "ClassifyText": ParseDict(
        {"results": [{"labels": [{"label": "good", "score": 0.75}, {"label": "[red]bad", "score": 0.25}]}] * 2, **TOLD},
        classification.ClassifyTextResponse(),
    ),
    "EmbedText": ParseDict(
        {"results": [{"values": [3.0, 4.0], "tokenCount": 5}, {"values": [4.0, 3.0], "tokenCount": 6}], **TOLD},
        feature_extraction_pb2.EmbedTextResponse(),
    ),
    "ExtractFeatures": feature_extraction_pb2.ExtractFeaturesResponse(
        results=[
            feature_extraction_pb2.FeatureExtractionResult(
                features=common_pb2.Tensor(
                    dtype=common_pb2.DATA_TYPE_FLOAT32,
                    shape=[1, 2],
                    data=array.array("f", [0.5, float("nan")]).tobytes(),
                )
            )
        ]
    ),
    "GenerateText": ParseDict(
        {
            "results": [
                {
                    "sequences": [
                        {"text": "once", "finishReason": "FINISH_REASON_LENGTH", "tokenCount": 2},
                        {"text": "twice\n", "finishReason": "FINISH_REASON_STOP_SEQUENCE", "tokenCount": 3},
                    ],
                    "promptTokenCount": 4,
                }
            ],
            **TOLD,
        },
        generation.GenerateTextResponse(),
    ),
    "RecognizeSpeech": ParseDict(
        {
            "results": [
                {
                    "text": " hello you",
                    "chunks": [{"text": " hello", "startS": 0.5, "endS": 1.25}, {"text": " you", "startS": 1.25}],
                    "audioS": 3.0,
                }
            ],
            **TOLD,
        },
        speech.RecognizeSpeechResponse(),
    ),
}


def _get_model(request: Any, _context: Context) -> model_pb2.GetModelResponse:
    family, service, rpcs = MODELS[request.model]
    methods = [f"savor.v1.{service}/{rpc}" for rpc in rpcs]
    return model_pb2.GetModelResponse(model=model_pb2.Model(name=request.model, family=family, methods=methods))


@pytest.fixture
def script() -> Iterator[Script]:
    with serve(Script({**ANSWERS, "GetModel": _get_model})) as running:
        yield running


def call(script: Script, *arguments: str, stdin: str | bytes | None = None) -> Result:
    result = CliRunner().invoke(app, ["call", "-s", script.target, *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_every_family_and_rpc_of_the_server_can_be_called() -> None:
    served = {family.name: {method.name for method in family.methods} for family in table.FAMILIES}
    assert {name: set(family) for name, family in FAMILIES.items()} == served


def test_classification_shows_labels_with_bars(script: Script) -> None:
    result = call(script, "labels", "[bold]fine[/]", "so so")
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[2] == ["[bold]fine[/]", "good", "0.7500", "█" * 15]
    assert rows[3] == ["[red]bad", "0.2500", "█" * 5]
    assert rows[4][:4] == ["so", "so", "good", "0.7500"]


def test_the_footer_and_the_warnings_are_no_part_of_the_answer(script: Script) -> None:
    result = call(script, "labels", "a", "b")
    footer, warning = result.stderr.splitlines()
    assert "queue 1.0 ms · prepare 0.0 ms · run 1.50 s · decode 0.0 ms · version 7" in footer
    assert warning == "warning: [bold]mind[/]"
    assert "mind" not in result.stdout


def test_embeddings_show_norms_and_similarities(script: Script) -> None:
    lines = call(script, "vectors", "a", "b").stdout.splitlines()
    assert lines[2].split() == ["1", "a", "+3.0000", "+4.0000", "…", "2", "5.0000", "5"]
    assert lines[5].strip() == "cosine similarity"
    assert [line.split() for line in lines[8:]] == [["1", "1.000", "0.960"], ["2", "0.960", "1.000"]]


def test_one_embedding_has_no_matrix(script: Script) -> None:
    script.answers["EmbedText"] = feature_extraction_pb2.EmbedTextResponse(
        results=[feature_extraction_pb2.TextEmbedding(values=[0.0])]
    )
    assert "similarity" not in call(script, "vectors", "a").stdout


def test_a_zero_vector_is_similar_to_nothing(script: Script) -> None:
    zero = feature_extraction_pb2.TextEmbedding(values=[0.0])
    script.answers["EmbedText"] = feature_extraction_pb2.EmbedTextResponse(results=[zero, zero])
    assert call(script, "vectors", "a", "b").stdout.splitlines()[-1].split() == ["2", "-", "-"]


def test_features_show_their_shape(script: Script) -> None:
    result = call(script, "vectors", "a", "--rpc", "ExtractFeatures")
    assert result.stdout.splitlines()[2].split() == ["a", "1", "x", "2", "float32"]


def test_speech_shows_text_chunks_and_speed(script: Script, tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    file.write_bytes(b"RIFF")
    result = call(script, "listener", str(file))
    lines = result.stdout.splitlines()
    assert lines[0] == f"{file}  3.0 s"
    assert lines[1] == "hello you"
    assert [line.split() for line in lines[4:]] == [["0.50", "1.25", "hello"], ["1.25", "…", "you"]]
    assert result.stderr.splitlines()[0] == "3.0 s of audio · real-time factor 0.500"
    assert script.requests[-1].inputs[0].content == b"RIFF"


JSON = [
    pytest.param("labels", "ClassifyText", id="classification"),
    pytest.param("vectors", "EmbedText", id="embeddings"),
    pytest.param("writer", "GenerateText", id="generation, not streamed"),
    pytest.param("listener", "RecognizeSpeech", id="speech"),
]


@pytest.mark.parametrize(("model", "rpc"), JSON)
def test_json_is_the_whole_reply_in_one_line(script: Script, model: str, rpc: str) -> None:
    result = call(script, model, "-", "--json", stdin="a\n")
    (line,) = result.stdout.splitlines()
    reply = json.loads(line)
    assert result.stderr == ""
    assert len(reply["results"]) == len(ANSWERS[rpc].results)
    assert (reply["timing"]["run_s"], reply["warnings"], reply["model_version"]) == (1.5, ["[bold]mind[/]"], "7")


def test_json_of_a_tensor_has_its_values(script: Script) -> None:
    result = call(script, "vectors", "a", "--json", "--rpc", "ExtractFeatures")
    features = json.loads(result.stdout)["results"][0]["features"]
    assert features == {"dtype": "float32", "shape": [1, 2], "values": [[0.5, "NaN"]]}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_the_table_names_the_clients_own_methods(family: Any) -> None:
    assert all(rpc.send is getattr(Client, rpc.send.__name__) for rpc in family.values())


def test_a_terminal_gets_inputs_cut_to_a_line_and_a_pipe_gets_them_whole(script: Script) -> None:
    text = "long\n" * 50
    reply = ClassifyTextReply((TextClassificationResult((ScoredLabel("a", 7.5),)),), Timing(), (), "")
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=80)
    show_labels(Screen(console, console), [Input(text, text)], reply)
    (row,) = [line for line in shown.getvalue().splitlines() if "long" in line]
    assert "…" in row
    assert "long↵" * 50 in call(script, "labels", text, "b").stdout
