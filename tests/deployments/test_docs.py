"""The example of docs/deployments.md runs as it stands."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "deployments.md"


def test_the_example_runs(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert "savor://localhost:8500" in program
    exec(program.replace("savor://localhost:8500", target), {})
    assert capsys.readouterr().out
