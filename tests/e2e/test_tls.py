"""TLS on the server's port, in both directions: only callers whose certificate comes from our authority get in."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from savor.client import Tls, Unavailable, connect, connect_aio
from savor.server.app import App
from savor.server.settings import read_settings
from tests import tiny_models
from tests.e2e.certificates import Authority
from tests.e2e.launch import launched

OURS, STRANGER = Authority("ours"), Authority("stranger")
CALLER, STRANGE_CALLER = OURS.pair("caller"), STRANGER.pair("caller")

TOML = """
[server]
port = 0
drain_delay_s = 0

[server.tls]
certificate = "{folder}/server.pem"
key = "{folder}/server.key"
client_ca = "{folder}/ca.pem"

[[models]]
uri = "{model}"
name = "classifier"
"""


def tls(**changes: object) -> Tls:
    """What a rightful caller brings, but for the changes."""
    rightful = {"ca": OURS.root, "certificate": CALLER.certificate, "key": CALLER.key}
    return Tls(**{**rightful, **changes})


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("tls")
    pair = OURS.pair("savor.internal")
    (folder / "server.pem").write_bytes(pair.certificate)
    (folder / "server.key").write_bytes(pair.key)
    (folder / "ca.pem").write_bytes(OURS.root)
    (folder / "savor.toml").write_text(TOML.format(folder=folder, model=tiny_models.saved("classifier")))
    with launched("--config", str(folder / "savor.toml")) as server:
        yield server.target()


@pytest.mark.parametrize("server_name", [None, "savor.internal"], ids=["address", "name"])
def test_a_caller_with_our_certificate_is_answered(target: str, server_name: str | None) -> None:
    with connect(target, tls=tls(server_name=server_name), retries=0) as client:
        assert len(client.classify_text("A good day.").results) == 1


async def test_an_aio_caller_with_our_certificate_is_answered(target: str) -> None:
    async with connect_aio(target, tls=tls(), retries=0) as client:
        assert len((await client.classify_text("A good day.")).results) == 1


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(tls(certificate=None, key=None), id="without-certificate"),
        pytest.param(
            tls(certificate=STRANGE_CALLER.certificate, key=STRANGE_CALLER.key), id="certificate-of-a-stranger"
        ),
        pytest.param(tls(ca=STRANGER.root), id="trusting-a-stranger"),
        pytest.param(tls(server_name="elsewhere.internal"), id="expecting-another-server"),
        pytest.param(None, id="plain-text"),
    ],
)
def test_any_other_caller_finds_the_server_unavailable(target: str, given: Tls | None) -> None:
    with connect(target, tls=given, retries=0, timeout_s=20) as client, pytest.raises(Unavailable):
        client.list_models()
    # The server goes on.
    with connect(target, tls=tls(), retries=0) as client:
        assert client.list_models().models


BOTH = "TLS needs both server.tls.certificate and server.tls.key"
UNUSABLE = r"TLS|certificate|key"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        pytest.param({"certificate": "pair.pem"}, BOTH, id="no-key"),
        pytest.param({"key": "pair.key"}, BOTH, id="no-certificate"),
        pytest.param({"client_ca": "ca.pem"}, BOTH, id="authority-only"),
        pytest.param({"certificate": "pair.pem", "key": "missing.key"}, r"missing\.key", id="missing-file"),
        pytest.param({"certificate": "pair.pem", "key": "noise.pem"}, UNUSABLE, id="not-a-key"),
        pytest.param({"certificate": "noise.pem", "key": "pair.key"}, UNUSABLE, id="not-a-certificate"),
        pytest.param({"certificate": "pair.pem", "key": "other.key"}, UNUSABLE, id="key-of-another"),
    ],
)
async def test_tls_files_that_cannot_be_used_are_named(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    pair = OURS.pair("savor.internal")
    (tmp_path / "pair.pem").write_bytes(pair.certificate)
    (tmp_path / "pair.key").write_bytes(pair.key)
    (tmp_path / "other.key").write_bytes(STRANGE_CALLER.key)
    (tmp_path / "noise.pem").write_text("neither a certificate nor a key")
    (tmp_path / "ca.pem").write_bytes(OURS.root)
    paths = {name: tmp_path / file for name, file in files.items()}
    app = App(read_settings(None, {"server": {"port": 0, "tls": paths}}))
    # Above all, it never listens in plain text instead.
    try:
        with pytest.raises(OSError, match=sentence) as caught:
            await app.start()
    finally:
        hurry = asyncio.Event()
        hurry.set()
        await app.stop(hurry)
    assert "is the port taken" not in str(caught.value)
