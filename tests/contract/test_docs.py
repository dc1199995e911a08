"""What the documentation says can be done can be done: commands parse, links lead somewhere, tables are rendered."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from docs import render
from savor.server.cli.app import app
from savor.server.settings import read_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "demo" / "SPEECH.md"])
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def commands() -> list[str]:
    """The `savor …` lines of every page's shell blocks, and those in its text."""
    text = "\n".join(page.read_text() for page in PAGES)
    return sorted({found.strip() for found in re.findall(r"^(?:\.venv/bin/)?(savor \S[^\n#]*)", text, re.MULTILINE)})


def test_there_are_commands_to_check() -> None:
    assert len(commands()) >= 3


@pytest.mark.parametrize("line", commands())
def test_a_command_parses(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, *arguments = shlex.split(line)[1:]
    monkeypatch.chdir(tmp_path)
    for file in (word for word in arguments if word.endswith((".toml", ".txt"))):
        Path(file).touch()
    group = typer.main.get_command(app)
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_context(name, arguments)


@pytest.mark.parametrize(
    "target", sorted({t for p in PAGES for t in re.findall(r"(?:^|`)make ([a-z]+)", p.read_text(), re.MULTILINE)})
)
def test_a_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_configuration_table_is_rendered() -> None:
    text = render.FILE.read_text()
    assert render.rendered(text) == text, "run `python -m docs.render`"


def test_the_configuration_example_is_accepted(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", render.FILE.read_text(), re.DOTALL)
    assert example is not None
    file = tmp_path / "savor.toml"
    file.write_text(example[1])
    settings = read_settings(file, {})
    assert len(settings.models) == len(tomllib.loads(example[1])["models"])


def test_ci_runs_what_the_readme_says() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
