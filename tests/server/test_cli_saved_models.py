"""`savor log`, `savor inspect` and `savor persist`, as a shell sees them: answers on stdout, the rest on stderr."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from savor.server.cli.app import app
from tests import tiny_models, tiny_pipelines
from tests.server.conftest import NAME, Registry


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """The commands set variables for the libraries that they load."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "generator"
    tiny_pipelines.generator().save_pretrained(folder)
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def log(registry: Registry, checkpoint: Path, *arguments: str) -> Result:
    task = () if "--task" in arguments else ("--task", "text-generation")
    return run("log", checkpoint, *task, "--experiment", "tiny", "--tracking-uri", registry.uri, *arguments)


def told(result: Result) -> dict[str, str]:
    """The facts of a sheet by name, each value in one line."""
    assert result.exit_code in (0, 1), result.stderr
    facts: dict[str, str] = {}
    name = ""
    for line in result.stdout.split("\n\n")[0].splitlines():
        name = line[:19].strip() or name
        facts[name] = f"{facts.get(name, '')} {line[19:].strip()}".strip()
    return facts


def test_log_says_what_will_be_served(registry: Registry, checkpoint: Path) -> None:
    flags = ["--name", "cli", "--alias", "best", "--prompt-template", "Q: {prompt}", "--dtype", "bfloat16"]
    flags += ["--model-config", '{"max_new_tokens": 4}', "--params", '{"temperature": 0.5}']
    result = log(registry, checkpoint, *flags)
    facts = told(result)
    assert result.exit_code == 0
    assert (facts["model"], facts["version"], facts["alias"]) == ("models:/cli@best", "1", "best")
    assert facts["serve it"] == f"savor serve models:/cli@best --tracking-uri {registry.uri}"
    assert facts["verdict"] == "can be served"
    assert "savor.v1.TextGenerationService/GenerateText" in facts["RPCs"]
    assert facts["template"] == "Q: {prompt}"
    assert facts["model_config"] == "max_new_tokens = 4 return_full_text = false"
    assert facts["runs on"] == "eager, bfloat16"
    assert result.stdout.splitlines()[-1].split() == ["temperature", "double", "0.5"]


def test_log_answers_json(registry: Registry, checkpoint: Path) -> None:
    answer = json.loads(log(registry, checkpoint, "--json").stdout)
    assert answer["served"] is True
    assert answer["model"].startswith("models:/m-")
    assert answer["family"] == "text-generation"


EXAMPLES = [
    pytest.param("a text", None, id="a text"),
    pytest.param('{"prompt": "a text"}', None, id="JSON"),
    pytest.param("example.json", '["a", "b"]', id="a file of JSON"),
    pytest.param("example.txt", "a text", id="a file of text"),
]


@pytest.mark.parametrize(("given", "content"), EXAMPLES)
def test_an_input_example(registry: Registry, checkpoint: Path, tmp_path: Path, given: str, content: str) -> None:
    if content is not None:
        (tmp_path / given).write_text(content)
        given = str(tmp_path / given)
    result = log(registry, checkpoint, "--input-example", given, "--model-config", '{"max_new_tokens": 2}', "--json")
    assert result.exit_code == 0, result.stderr
    saved_uri = json.loads(result.stdout)["model"]
    inspected = json.loads(run("inspect", saved_uri, "--tracking-uri", registry.uri, "--json").stdout)
    assert inspected["signature_json"] == json.loads(result.stdout)["signature_json"] != ""


USAGE = [
    pytest.param(["--params", "{"], "--params is not JSON", id="broken JSON"),
    pytest.param(["--model-config", "[1]"], "--model-config takes a JSON object", id="no object"),
    pytest.param(["--input-example", "{"], "--input-example is not JSON", id="a broken example"),
    pytest.param(["--alias", "a"], "an alias is of a registered model", id="an alias of nothing"),
    pytest.param(["--task", "bogus"], "'bogus' is not served", id="a task"),
    pytest.param(["--prompt-template", "{x}"], "the prompt template can't be filled", id="a template"),
]


@pytest.mark.parametrize(("flags", "message"), USAGE)
def test_wrong_usage_is_one_clear_line(registry: Registry, checkpoint: Path, flags: list[str], message: str) -> None:
    result = log(registry, checkpoint, *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_failing_server_is_one_clear_line(checkpoint: Path) -> None:
    result = run("log", checkpoint, "--task", "text-generation", "--tracking-uri", "bogus://x")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "MLflow can't log the model" in result.stderr


def test_inspect_a_registered_model(registry: Registry) -> None:
    result = run("inspect", f"models:/{NAME}@champion", "--tracking-uri", registry.uri)
    facts = told(result)
    assert result.exit_code == 0
    assert (facts["version"], facts["task"], facts["licence"]) == ("2", "feature-extraction", "none was found")
    assert "its signature has no parameters" in facts["warnings"]


def test_inspect_a_run(registry: Registry) -> None:
    facts = told(run("inspect", f"runs:/{registry.run_id}/model", "--tracking-uri", registry.uri))
    assert (facts["task"], facts["verdict"]) == ("text-classification", "can be served")


def _edited(tmp_path: Path, **values: Any) -> Path:
    def edit(words: dict[str, Any]) -> None:
        words["flavors"]["transformers"].update(values)

    return tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", edit)


def test_inspect_exits_with_1_for_a_model_that_would_be_refused(tmp_path: Path) -> None:
    folder = _edited(tmp_path, code="code", task="depth-estimation")
    result = run("inspect", folder)
    facts = told(result)
    assert (result.exit_code, facts["verdict"]) == (1, "would be refused")
    assert "'depth-estimation' is not served" in facts["because"]
    assert facts["switches"] == "allow_code = true"
    assert "family" not in facts
    answer = json.loads(run("inspect", folder, "--json").stdout)
    assert (answer["served"], list(answer["switches"])) == (False, ["allow_code"])


@pytest.mark.parametrize("switch", ["code", "allow_code"])
def test_inspect_with_what_is_allowed(tmp_path: Path, switch: str) -> None:
    result = run("inspect", _edited(tmp_path, code="code"), "--allow", switch)
    assert result.exit_code == 0
    assert "allow_code is on" in told(result)["warnings"]


def test_a_switch_that_there_is_not(tmp_path: Path) -> None:
    result = run("inspect", tiny_models.saved("classifier"), "--allow", "everything")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--allow everything: there is no such switch, but code, loader, remote_code, pickle, hub" in result.stderr


@pytest.mark.parametrize("command", ["inspect", "persist"])
def test_what_is_no_model(tmp_path: Path, command: str) -> None:
    result = run(command, tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "it has no MLmodel file" in result.stderr


def test_persist_says_that_there_is_nothing_to_do() -> None:
    result = run("persist", tiny_models.saved("classifier"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "has its weights already: nothing to do" in result.stderr


def test_inspect_loads_no_weights(tmp_path: Path) -> None:
    """What would fail to load is described all the same."""
    folder = _edited(tmp_path)
    (folder / "model" / "model.safetensors").write_bytes(b"no weights at all")
    assert run("inspect", folder).exit_code == 0


@pytest.mark.slow
def test_stdout_is_the_answer_alone(tmp_path: Path, checkpoint: Path) -> None:
    """In a process of its own, with a store that MLflow makes: its words and its migrations stay off stdout."""
    command = [sys.executable, "-m", "savor.server", "log", str(checkpoint), "--task", "text-generation", "--json"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    flags = ["--name", "own", "--input-example", "a text", "--model-config", '{"max_new_tokens": 2}']
    ran = subprocess.run([*command, *flags], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stdout.splitlines()
    assert json.loads(line)["model"] == "models:/own/1"
    assert "Traceback" not in ran.stderr
