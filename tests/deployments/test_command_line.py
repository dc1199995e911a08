"""`mlflow deployments` in a process of its own, as its users run it: help, list, get, predict, run-local."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException

from savor.deployments import run_local
from tests import tiny_models
from tests.deployments.conftest import MODELS
from tests.parity import oracle

COMMAND = [sys.executable, "-m", "mlflow", "deployments"]


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command in an empty folder, where nothing of the repository is found by chance."""
    return subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=120)


def test_help_says_how_a_target_is_written(tmp_path: Path) -> None:
    ran = run(tmp_path, "help", "-t", "savor")
    assert ran.returncode == 0, ran.stderr
    assert "savor://HOST:PORT" in ran.stdout


def test_list_names_the_models(tmp_path: Path, target: str) -> None:
    ran = run(tmp_path, "list", "-t", target)
    assert ran.returncode == 0, ran.stderr
    assert re.findall(r"'name': '([^']+)'", ran.stdout) == list(MODELS)


def test_get_tells_of_a_model(tmp_path: Path, target: str) -> None:
    ran = run(tmp_path, "get", "-t", target, "--name", "classifier")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert {"name: classifier", "state: ready", "task: text-classification"} <= set(lines)


def test_predict_reads_a_table(tmp_path: Path, target: str) -> None:
    texts = ["what a day", "oh no"]
    (tmp_path / "rows.json").write_text(json.dumps([{"text": text} for text in texts]))
    ran = run(tmp_path, "predict", "-t", target, "--name", "classifier", "--input-path", "rows.json")
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(ran.stdout)["predictions"]
    expected = oracle.pyfunc("classifier").predict(texts)
    assert [row["label"] for row in rows] == list(expected["label"])
    assert [row["score"] for row in rows] == pytest.approx(list(expected["score"]))


def test_predict_reads_a_chat_and_writes_a_file(tmp_path: Path, target: str) -> None:
    rows = [{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}]
    (tmp_path / "in.json").write_text(json.dumps(rows))
    ran = run(tmp_path, "predict", "-t", target, "--endpoint", "llm-chat", "-I", "in.json", "-O", "out.json")
    assert ran.returncode == 0, ran.stderr
    [reply] = json.loads((tmp_path / "out.json").read_text())["predictions"]
    assert reply["choices"][0]["message"]["role"] == "assistant"


def test_a_failure_ends_the_command_with_the_server_s_sentence(tmp_path: Path, target: str) -> None:
    ran = run(tmp_path, "get", "-t", target, "--name", "nobody")
    assert ran.returncode != 0
    assert "no model is named 'nobody'" in ran.stderr


@pytest.mark.slow
def test_run_local_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    model = str(tiny_models.saved("classifier"))
    arguments = ["run-local", "-t", "savor", "--name", "mine", "-m", model, "-C", "port=0", "-C", "device=cpu"]
    environment = {**os.environ, "SAVOR_THREADS": "1", "SAVOR_SERVER__DRAIN_DELAY_S": "0", "COLUMNS": "500"}
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,  # so that Ctrl-C reaches it and its server alone
    ) as process:
        try:
            assert process.stderr is not None
            ready = next(found for line in process.stderr if (found := re.search(r"ready on (\S+:\d+):", line)))
            client = get_deploy_client(f"savor://{ready[1]}")
            assert [each["name"] for each in client.list_deployments()] == ["mine"]
            assert client.predict("mine", "what a day")["predictions"]
            os.killpg(process.pid, signal.SIGINT)
            said = process.stderr.read()
            assert process.wait(60) == 0, said
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_run_local_says_that_the_server_failed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MlflowException, match="ended with status 1"):
        run_local("mine", str(tmp_path / "nothing"), config={"port": "0"})
    assert "nothing" in capfd.readouterr().err


UNUSABLE = [
    pytest.param({"name": "a/b"}, "can't be a model's name", id="a slash in the name"),
    pytest.param({"name": ""}, "can't be a model's name", id="no name"),
    pytest.param({"flavor": "sklearn"}, "'sklearn' is not served", id="another flavor"),
    pytest.param({"config": {"workers": "2"}}, "workers is not known; use host, port", id="an unknown setting"),
]


@pytest.mark.parametrize(("changes", "sentence"), UNUSABLE)
def test_run_local_refuses_what_savor_serve_does_not_take(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(MlflowException, match=sentence) as caught:
        run_local(**{"name": "m", "model_uri": "models:/m/1", **changes})
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
