"""The peers' environments and what is written for them; the servers themselves are started by `peers` alone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers import environments, mlserver, triton
from benchmarks.peers.environments import Environment, SetUpFailed
from benchmarks.peers.line_up import PEERS, Peer


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    return tmp_path


def interpreter(environment: Environment) -> Environment:
    """Puts an interpreter where the environment's is to be: what it would take seconds to make is there already."""
    program = Path(environment.program("python"))
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    return environment


def test_a_package_that_can_not_be_had_is_the_reason(root: Path) -> None:
    made = interpreter(Environment("none", [["--no-index", "no-such-package-of-savor==1.0"]]))
    with pytest.raises(SetUpFailed, match="no-such-package-of-savor"):
        made.set_up(print)


def test_an_environment_is_made_once_and_patched(root: Path) -> None:
    patched: list[Path] = []
    made = interpreter(Environment("none", [], patched.append))
    made.set_up(print)
    made.set_up(print)
    made.check()
    assert patched == [made.packages]


def test_an_environment_that_was_described_otherwise_is_not_ready(root: Path) -> None:
    interpreter(Environment("none", [])).set_up(print)
    with pytest.raises(SetUpFailed, match="--setup"):
        Environment("none", [["something==1.0"]]).check()


def test_a_patch_that_does_not_fit_leaves_the_environment_unready(root: Path) -> None:
    def patch(packages: Path) -> None:
        raise ValueError("the file has no such line")

    made = interpreter(Environment("none", [], patch))
    with pytest.raises(SetUpFailed, match="no such line"):
        made.set_up(print)
    with pytest.raises(SetUpFailed, match="not set up"):
        made.check()


def test_mlservers_patches_apply_once_and_refuse_other_files(tmp_path: Path) -> None:
    for name, old, _ in mlserver.PATCHES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"before\n{old}after")
    mlserver.mend(tmp_path)
    once = {name: (tmp_path / name).read_text() for name, _, _ in mlserver.PATCHES}
    mlserver.mend(tmp_path)
    assert all(new in once[name] for name, _, new in mlserver.PATCHES)
    assert once == {name: (tmp_path / name).read_text() for name in once}
    (tmp_path / mlserver.PATCHES[0][0]).write_text("of another version")
    with pytest.raises(ValueError, match="conversation"):
        mlserver.mend(tmp_path)


@pytest.mark.parametrize("peer", [pytest.param(peer, id=peer.name) for peer in PEERS])
def test_every_requirement_is_pinned(peer: Peer) -> None:
    steps = peer.environment.steps if peer.environment else []
    assert all(re.search(r"==|<", requirement) for step in steps for requirement in step)


def test_a_peer_that_listens_everywhere_needs_a_network_of_its_own() -> None:
    (ray,) = (peer for peer in PEERS if peer.everywhere)
    assert "all addresses" in (ray.reason(alone=False) or "")


def test_a_peer_without_its_environment_is_left_out_with_a_reason(root: Path) -> None:
    assert [peer.name for peer in PEERS if peer.reason(alone=True) is None] == ["mlflow models serve"]


def test_triton_gets_a_repository_for_each_configuration(tmp_path: Path) -> None:
    triton.targets(tmp_path / "graph", tmp_path)
    plain, batching = ((tmp_path / name / "repository" / "classifier") for name in ("triton", "triton-batching"))
    assert "dynamic_batching" not in (plain / "config.pbtxt").read_text()
    assert "dynamic_batching { }" in (batching / "config.pbtxt").read_text()
    assert {file.name for file in (plain / "1").iterdir()} == {"model.py", "classifier.py"}


def test_a_network_of_its_own_has_only_loopback() -> None:
    script = (
        "import os, socket; from benchmarks.peers import network; there = network.alone()\n"
        "print(there, [name for _, name in socket.if_nameindex()])\n"
        "if there: server = socket.create_server(('127.0.0.1', 0)); socket.create_connection(server.getsockname())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True ['lo']" or done.stdout.startswith("False")
