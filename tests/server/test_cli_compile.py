"""`savor compile` and what `savor inspect` tells of it, as a shell sees them."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from savor.accel import conversion, export
from savor.accel.entry import Entry
from savor.server.cli.app import app
from tests import compiling, tiny_models


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """The commands set variables for the libraries that they load."""
    before = dict(os.environ)
    os.environ["SAVOR_CACHE__DIR"] = str(compiling.FOLDER)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(tiny_models.saved("classifier"), tmp_path / "copy")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def compiled(*arguments: object) -> dict[str, object]:
    result = run("compile", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    told: dict[str, object] = json.loads(result.stdout)
    return told


def told(result: Result) -> dict[str, str]:
    """The facts of a sheet by name, those of several lines joined."""
    facts: dict[str, str] = {}
    name = ""
    for line in result.stdout.splitlines():
        name = line[:19].strip() or name
        facts[name] = f"{facts.get(name, '')} {line[19:].strip()}".strip()
    return facts


def test_it_is_made_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAVOR_CACHE__DIR", str(tmp_path / "cache"))
    model = tiny_models.saved("classifier")
    first, second = compiled(model), compiled(model)
    assert (first["found"], second["found"]) == ("made", "cached")
    assert first["key"] == second["key"]
    assert Path(str(first["folder"])).parent == tmp_path / "cache" / "entries"


def test_the_report_is_shown() -> None:
    compiled(tiny_models.saved("classifier"))
    result = run("compile", tiny_models.saved("classifier"))
    assert result.stdout.splitlines()[0].split() == ["probe", "largest", "difference", "mean", "difference", "equal"]
    assert any(
        line.startswith("the longest two ") and line.rstrip().endswith("100.0%") for line in result.stdout.splitlines()
    )
    facts = told(result)
    assert facts["verdict"] == "verified"
    assert facts["largest difference"].endswith("of the largest number, 0.001 is allowed")
    assert facts["exported as"] == "text-classification, fp32, for cpu"
    assert facts["made"] == "in the cache already"
    assert "--accel onnx serves it" in result.stderr


def test_each_step_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAVOR_CACHE__DIR", str(tmp_path / "cache"))
    steps = run("compile", tiny_models.saved("classifier")).stderr
    for step in ("loading the model", "exporting the model to ONNX as text-classification", "verifying"):
        assert step in steps


def test_graphs_and_report_are_copied(tmp_path: Path) -> None:
    answer = compiled(tiny_models.saved("classifier"), "--out", tmp_path / "out")
    Entry(str(answer["key"]), tmp_path / "out").check()
    assert (tmp_path / "out" / "model.onnx").is_file()


OUTS = [
    pytest.param(lambda folder: (folder / "there").mkdir(), id="a folder with something in it"),
    pytest.param(lambda folder: (folder.rmdir(), folder.write_text("")), id="a file"),
]


@pytest.mark.parametrize("prepare", OUTS)
def test_nothing_is_overwritten(tmp_path: Path, prepare: object) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert callable(prepare)
    prepare(out)
    result = run("compile", tiny_models.saved("classifier"), "--out", out)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is something already: name a folder that is empty or not there" in result.stderr


def test_it_is_attached_and_told_of(copy: Path) -> None:
    answer = compiled(copy, "--attach")
    assert answer["attached to"] == f"{copy}/savor/{answer['key']}"
    assert told(run("inspect", copy))["attached"] == f"{str(answer['key'])[:12]} fp32 cpu ok"
    again = run("compile", copy, "--attach")
    assert told(again)["made"] == "attached to the model already"
    assert "nothing to store" in again.stderr


def test_a_damaged_one_is_told_of(copy: Path) -> None:
    answer = compiled(copy, "--attach")
    (copy / "savor" / str(answer["key"]) / "model.onnx").write_bytes(b"no graph")
    inspected = json.loads(run("inspect", copy, "--json").stdout)
    assert inspected["not_compiled_reason"] == ""
    (attached,) = inspected["attached"]
    assert attached["state"].startswith("damaged: ")
    assert "model.onnx is not what was written" in attached["state"]


def test_one_of_other_versions_is_told_of(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(copy, "--attach")
    monkeypatch.setattr("savor.accel.content.versions", lambda: {"torch": "99"})
    (attached,) = json.loads(run("inspect", copy, "--json").stdout)["attached"]
    assert attached["state"] == "of other versions"


def test_one_that_is_not_verified_fails_with_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVOR_CACHE__DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(conversion, "convert", _spoilt)
    result = run("compile", tiny_models.saved("classifier"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is not compiled: the compiled model differs from the eager one: largest difference" in result.stderr
    assert "the longest two" in result.stderr


def _spoilt(folder: Path, precision: str) -> None:
    """In the place of a conversion: one weight tensor of every graph is zero."""
    import onnx
    from onnx import numpy_helper

    for file in folder.glob("*.onnx"):
        graph = onnx.load(file)
        heaviest = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        zeros = numpy_helper.to_array(heaviest) * 0
        heaviest.CopyFrom(numpy_helper.from_array(zeros, heaviest.name))
        onnx.save(graph, file)


REFUSED = [
    pytest.param(["/nowhere"], 1, "there is no folder /nowhere", id="no such model"),
    pytest.param(
        ["table-reader"], 1, "optimum has no ONNX export for the pipeline task table-question-answering", id="no export"
    ),
    pytest.param(["classifier", "--precision", "fp33"], 2, "--precision: ", id="no such precision"),
    pytest.param(["classifier", "--precision", "bf16"], 1, "ONNX Runtime has no bf16", id="a precision without export"),
    pytest.param(["classifier", "--provider", "cuda"], 1, "provider cuda", id="a provider that is not there"),
    pytest.param(["classifier", "--allow", "all"], 2, "there is no such switch", id="no such switch"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), REFUSED)
def test_what_can_not_be_compiled(arguments: list[str], code: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("exported")

    monkeypatch.setattr(export, "export", refuse)
    name, *flags = arguments
    result = run("compile", name if name.startswith("/") else tiny_models.saved(name), *flags)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


INSPECTED = [
    pytest.param("classifier", "ONNX once it is verified, else eager, float32", "", id="with an export"),
    pytest.param("whisper", "ONNX once it is verified, else eager, float32", "", id="speech"),
    pytest.param(
        "table-reader",
        "eager, float32",
        "optimum has no ONNX export for the pipeline task table-question-answering",
        id="without one",
    ),
]


@pytest.mark.parametrize(("name", "runs_on", "reason"), INSPECTED)
def test_inspect_tells_how_a_model_would_run(name: str, runs_on: str, reason: str) -> None:
    facts = told(run("inspect", tiny_models.saved(name)))
    assert (facts["runs on"], facts.get("not compiled", "")) == (runs_on, reason)
    assert "attached" not in facts
