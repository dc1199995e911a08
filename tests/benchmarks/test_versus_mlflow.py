"""The whole benchmark once, in its quick form: real servers, the real model, every answer checked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.comparison import SCENARIOS

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "benchmarks.versus_mlflow", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=290)


@pytest.mark.slow
def test_both_servers_give_the_right_answers(tmp_path: Path) -> None:
    done = run("--quick", "--results", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "versus_mlflow.json").read_text())["rows"]
    assert len(rows) == len(SCENARIOS)
    assert all(row["savor"]["texts_per_s"] > 0 and row["peer"]["texts_per_s"] > 0 for row in rows)


def test_quick_figures_are_not_written() -> None:
    done = run("--quick", "--write")
    assert done.returncode == 2
    assert "--write" in done.stderr
