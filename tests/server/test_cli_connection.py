"""TLS of the commands that call a server: the files that --ca, --cert and --key name, against a real TLS server."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from typer.testing import CliRunner, Result

from savor.server.cli.app import app
from savor.v1 import model_pb2
from tests.client.serving import Script, serve
from tests.e2e.certificates import Authority

MODELS = model_pb2.ListModelsResponse(models=[model_pb2.Model(name="secret")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority's root as ca.pem, and a caller's certificate as own.pem with own.key."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority("ours")
    own, server = authority.pair("caller"), authority.pair("server")
    files = {"ca.pem": authority.root, "own.pem": own.certificate, "own.key": own.key}
    files |= {"server.pem": server.certificate, "server.key": server.key, "other.pem": Authority("theirs").root}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def script(folder: Path) -> Iterator[Script]:
    ca, key, certificate = ((folder / name).read_bytes() for name in ("ca.pem", "server.key", "server.pem"))
    credentials = grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)
    with serve(Script({"ListModels": MODELS}), credentials) as running:
        yield running


def models(script: Script, folder: Path, *flags: str) -> Result:
    given = [str(folder / flag) if "." in flag else flag for flag in flags]
    return CliRunner().invoke(app, ["models", "-s", script.target, "--timeout", "5", *given])


def test_a_caller_with_its_certificate_is_answered(script: Script, folder: Path) -> None:
    result = models(script, folder, "--ca", "ca.pem", "--cert", "own.pem", "--key", "own.key")
    assert "secret" in result.stdout, result.output


REFUSED = [
    pytest.param(["--ca", "ca.pem"], 1, "no server at", id="no certificate of its own"),
    pytest.param(["--ca", "other.pem", "--cert", "own.pem", "--key", "own.key"], 1, "no server at", id="another root"),
    pytest.param([], 1, "no server at", id="in the clear"),
    pytest.param(["--cert", "own.pem"], 2, "--cert and --key go together", id="no key"),
    pytest.param(["--key", "own.key"], 2, "--cert and --key go together", id="no certificate with the key"),
    pytest.param(["--ca", "missing.pem"], 2, "can't read", id="no file"),
]


@pytest.mark.parametrize(("flags", "code", "words"), REFUSED)
def test_any_other_caller_is_told_so(script: Script, folder: Path, flags: list[str], code: int, words: str) -> None:
    result = models(script, folder, *flags)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output
