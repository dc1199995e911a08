"""`savor models`: the table, one model's details and JSON, against a scripted server."""

import json
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from typer.testing import CliRunner

from savor.server.cli.app import app
from savor.server.cli.signature import signature_lines
from savor.v1 import model_pb2
from tests.client.serving import Script, failing, serve

HASH = "0123456789abcdef" * 2
SIGNATURE = {
    "inputs": json.dumps([{"name": "[b]text", "type": "string"}, {"name": "k", "type": "long", "required": False}]),
    "outputs": json.dumps([{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 3]}}]),
    "params": None,
}
FULL = ParseDict(
    {
        "name": "writer",
        "version": HASH,
        "aliases": ["champion", "prod"],
        "uri": "models:/writer@champion",
        "state": "MODEL_STATE_READY",
        "task": "text-generation",
        "family": "text-generation",
        "methods": ["savor.v1.TextGenerationService/GenerateText", "savor.v1.TextGenerationService/StreamGenerateText"],
        "signatureJson": json.dumps(SIGNATURE),
        "parameters": [
            {"name": "max_new_tokens", "type": "long", "defaultValue": {"intValue": 8}},
            {"name": "stop", "type": "string[]", "defaultValue": {"nullValue": None}},
        ],
        "unknownParameters": "reject",
        "promptTemplate": "Q: {prompt}\nA:",
        "modelConfig": {"temperature": {"doubleValue": 0.5}},
        "backend": {"name": "eager", "device": "cpu", "precision": "fp32", "notCompiledReason": "it [is] slow"},
        "limits": {"maxInputs": 1024, "maxTextChars": 1000000, "maxNewTokens": 4096, "maxAudioS": 1800},
        "mlflowVersion": "3.1.0",
        "inferenceTask": "llm/v1/completions",
        "modelCard": "# A card",
        "license": "MIT [License]\nDo as you like.",
        "warnings": ["it [is] old", "it is slow"],
    },
    model_pb2.Model(),
)
LOADING = model_pb2.Model(name="[red]slow", uri="/models/slow", state=model_pb2.MODEL_STATE_LOADING)


@pytest.fixture
def script() -> Iterator[Script]:
    answers = {
        "ListModels": model_pb2.ListModelsResponse(models=[FULL, LOADING]),
        "GetModel": model_pb2.GetModelResponse(model=FULL),
    }
    with serve(Script(answers)) as running:
        yield running


def models(script: Script, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["models", "-s", script.target, *arguments])
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return str(result.stdout)


def test_the_table(script: Script) -> None:
    header, _, *rows = (line.split() for line in models(script).splitlines())
    assert header == ["name", "version", "family", "and", "RPCs", "runs", "on", "state", "parameters"]
    assert rows == [
        ["writer", HASH, "text-generation", "eager", "ready", "max_new_tokens"],
        ["@champion", "GenerateText", "cpu", "stop"],
        ["@prod", "StreamGenerateText", "fp32"],
        ["[red]slow", "loading"],
    ]


FACTS = [
    pytest.param("version", HASH, id="version"),
    pytest.param("aliases", "champion, prod", id="aliases"),
    pytest.param("RPCs", "savor.v1.TextGenerationService/GenerateText", id="methods"),
    pytest.param("loaded from", "models:/writer@champion", id="uri"),
    pytest.param("saved by", "MLflow 3.1.0", id="versions of libraries"),
    pytest.param("runs on", "eager cpu fp32", id="backend"),
    pytest.param("not compiled", "it [is] slow", id="why it is not compiled"),
    pytest.param("limits", "1,024 inputs in a request", id="limits"),
    pytest.param("signature inputs", "[b]text: string", id="signature"),
    pytest.param("signature outputs", "tensor of float64, shape [-1, 3]", id="tensor signature"),
    pytest.param("template", "Q: {prompt}", id="template"),
    pytest.param("model_config", "temperature = 0.5", id="model_config"),
    pytest.param("other parameters", "reject", id="unknown parameters"),
    pytest.param("warnings", "it [is] old", id="the first warning"),
    pytest.param("", "it is slow", id="the second warning"),
    pytest.param("llm task", "llm/v1/completions", id="language-model task"),
    pytest.param("licence", "MIT [License]", id="licence"),
    pytest.param("model card", "8 characters: --json has it", id="model card"),
]


@pytest.mark.parametrize(("name", "value"), FACTS)
def test_a_models_details(script: Script, name: str, value: str) -> None:
    lines = [line.rstrip() for line in models(script, "writer@champion").splitlines()]
    assert script.requests == [model_pb2.GetModelRequest(model="writer@champion")]
    assert f"{name:<17}  {value}" in lines


def test_a_models_parameters_have_their_defaults(script: Script) -> None:
    rows = [line.split() for line in models(script, "writer").splitlines()]
    assert ["max_new_tokens", "long", "8"] in rows
    assert ["stop", "string[]", "null"] in rows
    assert ["k:", "long", "(optional)"] in rows


def test_a_loading_models_details_are_what_is_known(script: Script) -> None:
    script.answers["GetModel"] = model_pb2.GetModelResponse(model=LOADING)
    assert [line.split(maxsplit=1) for line in models(script, "slow").splitlines()] == [
        ["name", "[red]slow   "],
        ["state", "loading     "],
        ["loaded", "from  /models/slow"],
    ]


def test_json_has_a_line_for_each_model(script: Script) -> None:
    first, second = (json.loads(line) for line in models(script, "--json").splitlines())
    assert (first["version"], first["backend"]["device"], first["model_config"]) == (HASH, "cpu", {"temperature": 0.5})
    assert (second["name"], second["state"], second["backend"]) == ("[red]slow", "loading", None)


def test_json_of_one_model(script: Script) -> None:
    assert json.loads(models(script, "writer", "--json"))["aliases"] == ["champion", "prod"]


REPORT = {
    "precision": "int8",
    "allowedDifference": 0.2,
    "askedAgreement": 0.9,
    "largestDifference": 0.0812,
    "meanDifference": 0.011,
    "agreement": 0.975,
    "probes": [
        {"name": "1 words", "largestDifference": 0.0812, "meanDifference": 0.011, "agreement": 1.0},
        {"name": "the longest two", "largestDifference": 0.004, "meanDifference": 0.001, "agreement": 0.95},
    ],
}
COMPILED = {"name": "onnx", "device": "cpu", "precision": "int8", "provider": "CPUExecutionProvider", "report": REPORT}


def test_a_compiled_models_details_have_its_report(script: Script) -> None:
    compiled = ParseDict({"name": "writer", "state": "MODEL_STATE_READY", "backend": COMPILED}, model_pb2.Model())
    script.answers["GetModel"] = model_pb2.GetModelResponse(model=compiled)
    lines = [line.rstrip() for line in models(script, "writer").splitlines()]
    start = lines.index("runs on   onnx cpu int8")
    assert lines[start + 1 : start + 6] == [
        "provider  CPUExecutionProvider",
        "verified  largest difference from eager 0.081, mean 0.011 (allowed: 0.2)",
        "          97.5% of labels and tokens equal (asked: 90%)",
        "            1 words          8.1e-02  100%",
        "            the longest two  4.0e-03  95%",
    ]


def test_every_models_details(script: Script) -> None:
    sheets = models(script, "--detail")
    assert sheets.count("loaded from") == 2
    assert "model_config" in sheets


def test_an_unknown_model_is_an_error(script: Script) -> None:
    script.answers["GetModel"] = failing(grpc.StatusCode.NOT_FOUND, "no model is named 'x'")
    result = CliRunner().invoke(app, ["models", "x", "-s", script.target])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no model is named 'x'" in result.stderr


SIGNATURES = [
    pytest.param("", [], id="none"),
    pytest.param("{", [("as saved", "{")], id="not JSON"),
    pytest.param("[]", [("as saved", "[]")], id="another shape"),
    pytest.param('{"inputs": "[{}]"}', [("as saved", '{"inputs": "[{}]"}')], id="a column without type"),
    pytest.param(
        json.dumps({"inputs": json.dumps([{"name": "a", "type": "array", "items": {"type": "long"}}])}),
        [("inputs", "a: long[]"), ("outputs", "")],
        id="array",
    ),
    pytest.param(
        json.dumps(
            {"inputs": json.dumps([{"type": "object", "properties": {"b": {"type": "long", "required": False}}}])}
        ),
        [("inputs", "{b: long (optional)}"), ("outputs", "")],
        id="object",
    ),
]


@pytest.mark.parametrize(("saved", "told"), SIGNATURES)
def test_signatures(saved: str, told: list[tuple[str, str]]) -> None:
    assert list(signature_lines(saved)) == told
