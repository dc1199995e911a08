"""The examples of docs/calling.md run as they are printed, against tiny models of the same names."""

import asyncio
import re
import shlex
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import soundfile
from PIL import Image
from typer.testing import CliRunner

from savor.server.cli.app import app
from tests.serving import Serving
from tests.tiny_models import ROOT

PAGE = (ROOT / "docs" / "calling.md").read_text()
SYNC, AIO = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^savor call (.*)$", PAGE, re.MULTILINE)
MODELS = dict.fromkeys(re.findall(r'model="([a-z0-9-]+)"', PAGE))


@pytest.fixture
def target(serving: Callable[..., Serving], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server with the models, in a folder with the files that the examples name."""
    samples = numpy.random.default_rng(0).normal(0, 0.2, 8_000).astype("float32")
    soundfile.write(tmp_path / "speech.wav", samples, 16_000)
    (tmp_path / "speech.pcm").write_bytes((samples * 32767).astype("<i2").tobytes())
    Image.new("RGB", (40, 30), "red").save(tmp_path / "image.png")
    (tmp_path / "article.txt").write_text("The cat sat on a mat.")
    (tmp_path / "people.csv").write_text("name,age\nAnn,31\nBob,7\n")
    monkeypatch.chdir(tmp_path)
    return serving(*MODELS).target


def test_the_examples_of_the_client_run(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(SYNC.replace("localhost:8500", target), {})
    assert "inputs" in capsys.readouterr().out.splitlines()[-1]


async def test_the_examples_of_the_aio_client_run(target: str) -> None:
    names: dict[str, Any] = {}
    exec(f"async def main():\n{textwrap.indent(AIO.replace('localhost:8500', target), '    ')}", names)
    async with asyncio.timeout(60):
        await names["main"]()


@pytest.mark.parametrize("command", [each for each in COMMANDS if not each.startswith("MODEL")])
def test_the_examples_of_the_command_line_run(target: str, command: str) -> None:
    arguments, _, stdin = command.partition(" < ")
    content = Path(stdin).read_bytes() if stdin else None
    result = CliRunner().invoke(app, ["call", "-s", target, *shlex.split(arguments)], input=content)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip()
