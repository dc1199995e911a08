"""Target URIs: where they lead, and which are refused before anything is sent."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import quote

import grpc
import mlflow.deployments
import pytest
from mlflow.deployments import get_deploy_client
from mlflow.exceptions import MlflowException

import savor.deployments
from savor.client import Tls
from savor.deployments import SavorDeploymentClient, target
from savor.v1.model_pb2 import ListModelsResponse, Model
from tests.client.serving import Script, serve
from tests.e2e.certificates import Authority

OURS = Authority("ours")


def test_mlflow_finds_the_plugin() -> None:
    [entry] = entry_points(group="mlflow.deployments", name="savor")
    assert entry.load() is savor.deployments
    assert type(get_deploy_client("savor")) is SavorDeploymentClient


def test_the_target_may_come_from_the_environment(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DEPLOYMENTS_TARGET", target)
    client = mlflow.deployments.get_deploy_client()
    assert client.target_uri == target
    assert client.list_deployments()


ADDRESSES = [
    pytest.param("savor", "localhost:8500", id="name alone"),
    pytest.param("savor://", "localhost:8500", id="no host"),
    pytest.param("savor://models.example.org", "models.example.org:8500", id="no port"),
    pytest.param("savor://models.example.org:443/", "models.example.org:443", id="a slash at the end"),
    pytest.param("savor://127.0.0.1:9000", "127.0.0.1:9000", id="IPv4"),
    pytest.param("savor://[::1]:9000", "[::1]:9000", id="IPv6"),
]


@pytest.mark.parametrize(("uri", "address"), ADDRESSES)
def test_a_uri_leads_to_its_address(monkeypatch: pytest.MonkeyPatch, uri: str, address: str) -> None:
    asked: list[tuple[str, Tls | None]] = []
    monkeypatch.setattr(target, "connect", lambda address, tls: asked.append((address, tls)))
    target.connected(uri)
    assert asked == [(address, None)]


REFUSED = [
    pytest.param("savor://h:8500/model", "not of the form savor://HOST:PORT", id="a path"),
    pytest.param("savor:/h:8500", "not of the form savor://HOST:PORT", id="one slash"),
    pytest.param("savor:h:8500", "not of the form savor://HOST:PORT", id="no slash"),
    pytest.param("savor://h#x", "not of the form savor://HOST:PORT", id="a fragment"),
    pytest.param("savor://h:99999", "port can't be used", id="port out of range"),
    pytest.param("savor://h:http", "port can't be used", id="port is a word"),
    pytest.param("savor://[::1", "can't be used", id="half a bracket"),
    pytest.param("savor://user:secret@h:1", "no user and no password", id="a user"),
    pytest.param("savor://h?certificate=a", "certificate is not known; use tls, ca", id="unknown word"),
    pytest.param("savor://h?tls=false", "tls must be true", id="tls is false"),
    pytest.param("savor://h?ca=/missing.pem", "ca can't be read: /missing.pem: No such file", id="no file"),
    pytest.param("savor://h?ca=", "ca can't be read", id="empty file name"),
    pytest.param(f"savor://h?cert={__file__}", "cert and key go together", id="no key"),
]


@pytest.mark.parametrize(("uri", "sentence"), REFUSED)
def test_an_unusable_uri_is_refused(uri: str, sentence: str) -> None:
    with pytest.raises(MlflowException, match=sentence) as caught:
        SavorDeploymentClient(uri)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Our root and a caller's pair, in a folder whose name needs quoting."""
    folder = tmp_path / "a+b c&d"
    folder.mkdir()
    pair = OURS.pair("caller")
    (folder / "ca.pem").write_bytes(OURS.root)
    (folder / "cert.pem").write_bytes(pair.certificate)
    (folder / "key.pem").write_bytes(pair.key)
    return folder


@pytest.fixture
def encrypted() -> Iterator[Script]:
    """A server for callers with our certificates."""
    pair = OURS.pair("savor.internal")
    credentials = grpc.ssl_server_credentials([(pair.key, pair.certificate)], OURS.root, require_client_auth=True)
    with serve(Script({"ListModels": ListModelsResponse(models=[Model(name="m")])}), credentials) as script:
        yield script


def query(folder: Path) -> str:
    return "&".join(f"{name}={quote(str(folder / name))}.pem" for name in ("ca", "cert", "key"))


@pytest.mark.parametrize("more", ["", "&server_name=savor.internal", "&tls=true"], ids=["plain", "named", "said"])
def test_tls_by_the_files_of_the_query(encrypted: Script, folder: Path, more: str) -> None:
    client = get_deploy_client(f"savor://{encrypted.target}?{query(folder)}{more}")
    assert [each["name"] for each in client.list_deployments()] == ["m"]


STRANGERS = [
    pytest.param("", id="in the clear"),
    pytest.param("?tls=true", id="trusting public roots"),
    pytest.param("?{query}&server_name=elsewhere.internal", id="another name"),
]


@pytest.mark.parametrize("words", STRANGERS)
def test_without_them_the_server_is_unavailable(encrypted: Script, folder: Path, words: str) -> None:
    client = SavorDeploymentClient(f"savor://{encrypted.target}{words.format(query=query(folder))}")
    with pytest.raises(MlflowException) as caught:
        client.list_deployments()
    assert caught.value.error_code == "TEMPORARILY_UNAVAILABLE"
