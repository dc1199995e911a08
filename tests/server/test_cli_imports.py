"""What the command line loads: nothing heavy, however it is called."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from savor.v1 import model_pb2
from savor.v1 import text_classification_pb2 as classification
from tests.client.serving import Script, serve

HEAVY = {"torch", "mlflow", "transformers", "numpy", "pandas"}
PROGRAM = """
import sys

from savor.server.__main__ import main

try:
    main()
except SystemExit as ending:
    assert not ending.code, ending.code
print(*sys.modules, file=sys.stderr)
"""


@pytest.fixture
def script() -> Iterator[Script]:
    labels = model_pb2.Model(
        name="labels", family="text-classification", methods=["savor.v1.TextClassificationService/ClassifyText"]
    )
    answers = {
        "ListModels": model_pb2.ListModelsResponse(models=[labels]),
        "GetModel": model_pb2.GetModelResponse(model=labels),
        "ClassifyText": classification.ClassifyTextResponse(),
    }
    with serve(Script(answers)) as running:
        yield running


def loaded(*arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stderr.splitlines()[-1].split())


def test_help_loads_only_typer_and_rich() -> None:
    assert HEAVY.isdisjoint(modules := loaded("--help"))
    assert modules.isdisjoint({"pydantic", "grpc", "google.protobuf", "savor.client", "savor.server.config"})


COMMANDS = ("serve", "call", "models", "log", "inspect", "persist", "compile", "tune")
HELPS = [*([command, "--help"] for command in COMMANDS), ["version"]]


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_the_help_of_commands_loads_nothing_of_ours(arguments: list[str]) -> None:
    # typer itself loads pydantic to read arguments.
    assert HEAVY.isdisjoint(modules := loaded(*arguments))
    assert modules.isdisjoint({"grpc", "google.protobuf", "savor.client", "savor.server.config"})


CALLS = [["call", "labels", "a"], ["call", "labels", "a", "--json"], ["models"], ["models", "labels"]]


@pytest.mark.parametrize("arguments", CALLS, ids=" ".join)
def test_calling_loads_no_model_library(script: Script, arguments: list[str]) -> None:
    modules = loaded(*arguments, "-s", script.target)
    assert modules.isdisjoint(HEAVY | {"savor.flavor", "savor.accel", "savor.server.config"})
