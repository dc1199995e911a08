"""`savor tune`: what is measured and told, which way wins, and how it comes into a TOML file."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from savor.server import tuning
from savor.server.cli import model_table
from savor.server.cli.app import app
from savor.server.tuning import Measured, NotMeasured, Work
from tests import compiling, tiny_models

EXACT = {"largest_difference": 1e-6, "mean_difference": 1e-7, "agreement": 1.0}
ROUGH = {"largest_difference": 0.1, "mean_difference": 0.05, "agreement": 0.97}
FIGURES = {
    ("eager", "fp32"): Measured(100.0, 0.0, 0.010, 400_000_000),
    ("eager", "bf16"): Measured(50.0, 0.0, 0.020, 300_000_000, ROUGH),
    ("onnx", "fp32"): Measured(200.0, 0.0, 0.005, 500_000_000, EXACT),
    ("onnx", "int8"): Measured(400.0, 0.0, 0.003, 200_000_000, ROUGH),
}


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """The commands set variables for the libraries that they load."""
    before = dict(os.environ)
    os.environ["SAVOR_CACHE__DIR"] = str(compiling.FOLDER)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def works(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """The work that was given; figures are made up, and torch.compile fails."""
    given: list[Work] = []

    def apart(work: Work) -> Measured:
        given.append(work)
        model = work.settings["models"][0]
        if model["accel"] == "compile":
            raise NotMeasured("it [is] broken")
        return FIGURES[model["accel"], model["precision"]]

    monkeypatch.setattr(tuning, "apart", apart)
    return given


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["tune", *(str(argument) for argument in arguments)])


def chosen(*arguments: object) -> tuple[str, str] | None:
    result = run(tiny_models.saved("classifier"), "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return next(((line["accel"], line["precision"]) for line in lines if line["chosen"]), None)


TOLERANCES = [
    pytest.param([], ("onnx", "int8"), id="each its own"),
    pytest.param(["--tolerance", "0.05"], ("onnx", "fp32"), id="a strict one"),
    pytest.param(["--tolerance", "0"], ("eager", "fp32"), id="none at all"),
]


@pytest.mark.usefixtures("works")
@pytest.mark.parametrize(("flags", "winner"), TOLERANCES)
def test_the_fastest_within_the_tolerance_wins(flags: list[str], winner: tuple[str, str]) -> None:
    assert chosen(*flags) == winner


@pytest.mark.usefixtures("works")
def test_the_table_has_every_way() -> None:
    result = run(tiny_models.saved("classifier"))
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[-1][:9] == ["onnx", "int8", "400.0", "3.0", "ms", "1.0e-01", "97.0%", "200.0", "MB"]
    assert " ".join(rows[-1][9:]) == "fastest within the tolerance"
    assert ["eager", "fp32", "100.0", "10.0", "ms", "400.0", "MB"] in rows
    assert "compile fp32 was not measured: it [is] broken" in result.stderr
    assert 'accel = "onnx"\nprecision = "int8"' in result.stderr


def test_all_measure_the_same_on_the_same_texts(works: list[Work], tmp_path: Path) -> None:
    (tmp_path / "texts").write_text("one text\n\nanother text\n")
    chosen("--texts", tmp_path / "texts", "--seconds", "2")
    assert len(works) >= 3
    assert {(tuple(work.texts), work.seconds) for work in works} == {(("one text", "another text"), 2.0)}
    assert {work.settings["models"][0]["uri"] for work in works} == {str(tiny_models.saved("classifier").resolve())}


REFUSED = [
    pytest.param(["/nowhere"], 1, "there is no folder /nowhere", id="no such model"),
    pytest.param(["--texts", "/nowhere"], 2, "--texts /nowhere can't be read", id="no such texts"),
    pytest.param(["--texts", "/dev/null"], 2, "holds no text", id="no text"),
    pytest.param(["--device", "tpu"], 2, "--device: ", id="no such device"),
    pytest.param(["--config", "/nowhere"], 2, "does not exist", id="no such configuration"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), REFUSED)
def test_what_can_not_be_tuned(works: list[Work], arguments: list[str], code: int, words: str) -> None:
    model = [] if arguments[0].startswith("/") else [tiny_models.saved("classifier")]
    result = run(*model, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
    assert not works


def test_a_model_that_runs_in_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(work: Work) -> Measured:
        raise NotMeasured("its weights are pickled")

    monkeypatch.setattr(tuning, "apart", refuse)
    result = run(tiny_models.saved("classifier"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "runs in no way: its weights are pickled" in result.stderr


@pytest.mark.usefixtures("works")
def test_the_winner_comes_into_the_configuration(tmp_path: Path) -> None:
    model, file = tiny_models.saved("classifier"), tmp_path / "savor.toml"
    file.write_text(f'# mine\n[[models]]\nuri = "{model}"\n')
    assert run(model, "--config", file).exit_code == 0
    assert file.read_text() == f'# mine\n[[models]]\nuri = "{model}"\naccel = "onnx"\nprecision = "int8"\n'


@pytest.mark.usefixtures("works")
def test_lines_that_can_not_be_written_are_told(tmp_path: Path) -> None:
    file = tmp_path / "savor.toml"
    file.write_text("threads = 2\n")
    result = run(tiny_models.saved("classifier"), "--config", file)
    assert result.exit_code == 1
    assert "has 0 [[models]] with the uri" in result.stderr
    assert 'accel = "onnx"' in result.stderr
    assert file.read_text() == "threads = 2\n"


VALUES = {"accel": "onnx", "precision": "int8"}
FILES = [
    pytest.param('[[models]]\nuri = "m"', '[[models]]\nuri = "m"\naccel = "onnx"\nprecision = "int8"\n', id="added"),
    pytest.param(
        '[[models]]\naccel = "eager"  # slow\nuri = "m"\n\n# limits\n[models.limits]\nmax_inputs = 3\n',
        '[[models]]\naccel = "onnx"  # slow\nuri = "m"\nprecision = "int8"\n\n# limits\n[models.limits]\nmax_inputs = 3\n',
        id="changed, with its comment",
    ),
    pytest.param(
        '[[models]]\nuri = "other"\n\n[[models]]\nuri = "m"\n\n[server]\nport = 1\n',
        '[[models]]\nuri = "other"\n\n[[models]]\nuri = "m"\naccel = "onnx"\nprecision = "int8"\n\n[server]\nport = 1\n',
        id="of several",
    ),
]


@pytest.mark.parametrize(("before", "after"), FILES)
def test_only_the_models_own_lines_change(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "savor.toml"
    file.write_text(before)
    model_table.write(file, "m", VALUES)
    assert file.read_text() == after


UNWRITABLE = [
    pytest.param('models = [{uri = "m"}]\n', "written in a way that this command can't change", id="another spelling"),
    pytest.param('[[models]]\nuri = "m"\n[[models]]\nuri = "m"\n', "has 2 .*models", id="two of them"),
    pytest.param("[[models]\n", "can't be read", id="no TOML"),
]


@pytest.mark.parametrize(("text", "words"), UNWRITABLE)
def test_a_file_that_can_not_be_changed_is_left_alone(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "savor.toml"
    file.write_text(text)
    with pytest.raises(model_table.NotWritten, match=words):
        model_table.write(file, "m", VALUES)
    assert file.read_text() == text


def _work(name: str, accel: str, **more: Any) -> Work:
    return Work(
        {"models": [{"uri": str(tiny_models.saved(name)), "accel": accel, "precision": "fp32", **more}]}, (), 0.1
    )


@pytest.mark.slow
def test_a_classifier_is_measured_in_a_process_of_its_own() -> None:
    measured = tuning.apart(_work("classifier", "onnx"))
    assert measured.items_per_s > 0
    assert measured.tokens_per_s == 0
    assert 0 < measured.alone_s < 10
    assert measured.memory_bytes > 100_000_000
    assert measured.report["passed"] is True
    assert measured.report["largest_difference"] > 0


@pytest.mark.slow
def test_generated_tokens_are_counted() -> None:
    measured = tuning.apart(_work("text2text", "eager"))
    assert measured.tokens_per_s > measured.items_per_s
    assert measured.report == {}


def _hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_PROGRAM", "import time; time.sleep(60)")
    monkeypatch.setattr(tuning, "_HANGS_S", 0.5)


def _crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "_PROGRAM", "import os; os.abort()")


def _nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is as it is."""


FAILING = [
    pytest.param(_nothing, {"accel": "onnx", "precision": "bf16"}, "ONNX Runtime has no bf16", id="refused"),
    pytest.param(_hang, {"accel": "eager"}, "it was not done after", id="hanging"),
    pytest.param(_crash, {"accel": "eager"}, "its process ended with status -6", id="crashing"),
]


@pytest.mark.parametrize(("prepare", "chosen", "words"), FAILING)
def test_one_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[pytest.MonkeyPatch], None],
    chosen: Mapping[str, str],
    words: str,
) -> None:
    prepare(monkeypatch)
    with pytest.raises(NotMeasured, match=words):
        tuning.apart(_work("classifier", **chosen))
