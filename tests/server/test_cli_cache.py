"""`savor cache`, as a shell sees it: what is there, removing it, and checking it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from savor.accel.cache import Cache
from savor.accel.content import versions
from savor.accel.entry import MANIFEST
from savor.server.cli.app import app
from tests.server.test_cli_imports import HEAVY, loaded

ROOM = 10**9
REPORT = {
    "largest_difference": 3.2e-6,
    "tolerance": {"difference": 1e-3, "agreement": 1.0},
    "passed": True,
    "probes": [],
}
FACTS: dict[str, dict[str, Any]] = {
    "ab12" + "0" * 60: {
        "model": "models:/[b]moods@champion",
        "task": "text-classification",
        "precision": "int8",
        "versions": versions(),
        "report": REPORT,
    },
    "ab34" + "0" * 60: {"model": "far", "report": {**REPORT, "largest_difference": 0.5, "passed": False}},
    "cd56" + "0" * 60: {},
    "ef78" + "0" * 60: {"model": "old", "versions": {"torch": "1.0"}, "report": {"passed": True}},
}
MOODS, FAR, BARE, OLD = FACTS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A cache with four entries, the first used last."""
    for used_s, (key, facts) in enumerate(reversed(FACTS.items()), 1_000_040_000):
        folder = Cache(tmp_path, ROOM).make(key, lambda folder, facts=facts: _write(folder, facts)).folder
        os.utime(folder / MANIFEST, (used_s, used_s))
    return tmp_path


def _write(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    (folder / "model.onnx").write_bytes(bytes(50_000))
    return facts


def savor(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["cache", *map(str, arguments)])


def keys(root: Path) -> list[str]:
    return [entry.key for entry in Cache(root, ROOM).entries()]


def damage(root: Path, key: str) -> Path:
    file = root / "entries" / key / "model.onnx"
    file.write_bytes(b"\1" + file.read_bytes()[1:])
    return file


def rows(result: Result) -> dict[str, str]:
    return {line[:4]: line for line in result.stdout.splitlines() if line[:2] in ("ab", "cd", "ef")}


def test_ls(root: Path) -> None:
    result = savor("ls", "--cache-dir", root)
    assert list(rows(result)) == ["ab12", "ab34", "cd56", "ef78"]
    moods, bare = rows(result)["ab12"].split(), rows(result)["cd56"].split()
    assert moods[:4] == [MOODS[:12], "models:/[b]moods@champion", "text-classification", "int8"]
    assert moods[-5:] == ["2001-09-09", moods[-4], "3e-06", "of", "0.001"]
    assert bare[:3] == [BARE[:12], bare[1], "kB"]
    assert result.stderr.startswith("4 compiled models, ")
    assert result.stderr.endswith(f", in {root}\n")
    assert result.exit_code == 0


def test_ls_tells_what_is_special(root: Path) -> None:
    user = Cache(root, ROOM)
    assert user.find(BARE)
    (root / "entries" / OLD / "model.onnx").unlink()
    told = rows(savor("ls", "--cache-dir", root))
    assert "0.5 of 0.001: not used" in told["ab34"]
    assert told["cd56"].rstrip().endswith("in use")
    assert told["ef78"].rstrip().endswith("of other versions")
    (root / "entries" / OLD / MANIFEST).write_text("{}")
    assert rows(savor("ls", "--cache-dir", root))["ef78"].rstrip().endswith("damaged")


def test_ls_as_json(root: Path) -> None:
    records = [json.loads(line) for line in savor("ls", "--json", "--cache-dir", root).stdout.splitlines()]
    assert [record["key"] for record in records] == [MOODS, FAR, BARE, OLD]
    assert records[0]["report"] == REPORT
    assert records[0]["model"] == "models:/[b]moods@champion"
    assert records[0]["size_bytes"] == Cache(root, ROOM).entries()[0].size_bytes
    assert records[0]["used_s"] == 1_000_040_003
    assert [record["state"] for record in records] == ["", "", "", "of other versions"]


def test_ls_of_nothing(tmp_path: Path) -> None:
    result = savor("ls", "--cache-dir", tmp_path / "none")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert result.stderr == f"0 compiled models, 0 bytes, in {tmp_path / 'none'}\n"


@pytest.mark.parametrize(
    ("arguments", "rest"),
    [
        pytest.param([MOODS], [FAR, BARE, OLD], id="a key"),
        pytest.param(["ab1", "CD"], [FAR, OLD], id="beginnings of keys"),
        pytest.param(["ab1", "ab12"], [FAR, BARE, OLD], id="a key twice"),
        pytest.param(["--all"], [], id="all"),
    ],
)
def test_rm(root: Path, arguments: list[str], rest: list[str]) -> None:
    before = len(FACTS)
    result = savor("rm", *arguments, "--cache-dir", root)
    assert result.exit_code == 0
    assert keys(root) == rest
    assert "removed ab1200000000 models:/[b]moods@champion 5" in result.stdout
    assert len(result.stdout.splitlines()) == before - len(rest)
    assert result.stderr.startswith(f"{before - len(rest)} removed, ")


@pytest.mark.parametrize(
    ("arguments", "said", "status"),
    [
        pytest.param([], "name the KEYs to remove, or give --all", 2, id="nothing named"),
        pytest.param(["ab1", "--all"], "name the KEYs to remove, or give --all", 2, id="keys and all"),
        pytest.param(["ab"], "ab may be any of ab1200000000, ab3400000000: give more digits", 1, id="two of them"),
        pytest.param(["cd", "99"], "there is no compiled model '99' in", 1, id="no such key"),
        pytest.param([""], "there is no compiled model ''", 1, id="an empty key"),
    ],
)
def test_rm_of_what_is_not_clear_removes_nothing(root: Path, arguments: list[str], said: str, status: int) -> None:
    result = savor("rm", *arguments, "--cache-dir", root)
    assert said in result.stderr
    assert result.exit_code == status
    assert keys(root) == list(FACTS)


def test_verify(root: Path) -> None:
    result = savor("verify", "--cache-dir", root)
    assert result.stdout.splitlines() == [f"{key[:12]} sound" for key in FACTS]
    assert result.exit_code == 0


def test_verify_tells_of_damage(root: Path) -> None:
    file = damage(root, FAR)
    (root / "entries" / OLD / "model.onnx").unlink()
    result = savor("verify", "--cache-dir", root)
    _, far, bare, old = result.stdout.splitlines()
    assert far == f"{FAR[:12]} damaged: {file} is not what was written"
    assert bare == f"{BARE[:12]} sound"
    assert old.endswith("model.onnx can't be read (FileNotFoundError)")
    assert result.stderr.splitlines()[0].endswith("checked, 2 damaged")
    assert result.exit_code == 1
    assert savor("verify", "cd", "ab1", "--cache-dir", root).exit_code == 0
    assert savor("verify", "ab3", "--cache-dir", root).exit_code == 1


def test_the_folder_is_a_setting(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVOR_CACHE__DIR", str(root))
    monkeypatch.setenv("SAVOR_CACHE_DIR", str(root / "the demo's"))
    assert rows(savor("ls")).keys() == {"ab12", "ab34", "cd56", "ef78"}
    assert rows(savor("ls", "--cache-dir", root / "other")) == {}


def test_the_folder_is_below_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAVOR_CACHE__DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert savor("ls").stderr.endswith(f"in {tmp_path}/.cache/savor/compiled\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert savor("ls").stderr.endswith(f"in {tmp_path}/xdg/savor/compiled\n")


def test_settings_that_can_not_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAVOR_CACHE__MAX_BYTES", "0")
    result = savor("ls")
    assert result.stderr.startswith("savor: cache.max_bytes: ")
    assert result.exit_code == 2


@pytest.mark.parametrize("arguments", [["--help"], ["ls"], ["ls", "--json"], ["verify"]], ids=" ".join)
def test_it_loads_no_model_library(root: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("SAVOR_CACHE__DIR", str(root))
    assert HEAVY.isdisjoint(loaded("cache", *arguments))
