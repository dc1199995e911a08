"""One figure whole, in its quick form: a real server, the real model compiled, every answer checked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=290)


@pytest.mark.slow
def test_the_server_and_the_limit_give_the_right_answers(tmp_path: Path) -> None:
    done = run("--quick", "--results", str(tmp_path), "idle")
    assert done.returncode == 0, done.stdout + done.stderr
    kept = json.loads((tmp_path / "idle.json").read_text())
    assert kept["quick"]
    assert kept["outcome"]["bars"]["idle_ms"] == kept["outcome"]["bars"]["idle_ms"]
    assert all(seconds > 0 for turn in kept["outcome"]["raw"] for seconds in turn["server_s"] + turn["in_process_s"])
    refused = run("--results", str(tmp_path), "report")
    assert refused.returncode == 1
    assert "--quick" in refused.stderr


def test_every_figure_has_a_command() -> None:
    shown = run("--help").stdout
    for name in ("limit", "peers", "idle", "abandoned", "overload", "startup", "kinds", "gpu", "all", "bars", "report"):
        assert f" {name} " in shown
