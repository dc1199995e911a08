"""Target URIs, `savor://HOST:PORT?ca=…&cert=…&key=…`, and the text that explains them; any query means TLS."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from savor.client import Client, Tls, connect
from savor.deployments.failures import unusable

NAME = "savor"
DEFAULT_HOST, DEFAULT_PORT = "localhost", 8500
_WORDS = ("tls", "ca", "cert", "key", "server_name")

_HELP = """\
Savor serves models of MLflow's transformers flavor over gRPC.

Target URI
  savor://HOST:PORT                        a server in the clear; PORT is 8500 where it is left out
  savor                                    the same as savor://localhost:8500
  savor://HOST:PORT?tls=true               TLS, trusting the roots that come with gRPC
  savor://HOST:PORT?ca=CA.PEM              TLS, trusting the certificates in this file
  savor://HOST:PORT?cert=C.PEM&key=K.PEM   TLS, showing this certificate (mTLS); goes with ca
  ...&server_name=NAME                     the name that the server's certificate bears, where it is not HOST

Deployments are the models that the server serves, and so are endpoints: NAME, NAME@VERSION or NAME@ALIAS.
  mlflow deployments list -t savor://HOST:PORT
  mlflow deployments get -t savor://HOST:PORT --name NAME
  mlflow deployments predict -t savor://HOST:PORT --name NAME --input-path rows.json
rows.json is what pandas.read_json reads, such as [{"text": "one"}, {"text": "two"}]; a chat is
[{"messages": [{"role": "user", "content": "Hello"}]}].

What is served is the server's own configuration (`savor serve`), so create, update and delete are refused.

run-local runs `savor serve` until Ctrl-C. Its config, all of it optional (-C NAME=VALUE):
  host, port, device, log_level            as `savor serve --help` says
  config                                   a TOML file of settings
"""


def target_help() -> str:
    """What `mlflow deployments help -t savor` prints."""
    return _HELP


def connected(uri: str) -> Client:
    """A client of the server that a target URI names; it connects with its first call."""
    parts = _parts(uri)
    if parts.path.strip("/") not in ("", NAME if not parts.scheme else "") or parts.fragment:
        raise unusable(f"the target {uri!r} is not of the form savor://HOST:PORT")
    return connect(_address(parts), tls=_tls(_words(parts.query)))


def _parts(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError as error:
        raise unusable(f"the target {uri!r} can't be used: {error}") from None


def _address(parts: SplitResult) -> str:
    try:
        host, port = parts.hostname or DEFAULT_HOST, parts.port or DEFAULT_PORT
    except ValueError as error:
        raise unusable(f"the target's port can't be used: {error}") from None
    if parts.username is not None:
        raise unusable("the target takes no user and no password: savor://HOST:PORT")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _words(query: str) -> Mapping[str, str]:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    words = {name: unquote(value) for name, _, value in pairs}
    for name in words.keys() - set(_WORDS):
        raise unusable(f"the target's {name} is not known; use {', '.join(_WORDS)}")
    return words


def _tls(words: Mapping[str, str]) -> Tls | None:
    if not words:
        return None
    if words.get("tls", "true") != "true":
        raise unusable("the target's tls must be true; leave it out, with the rest, for a channel in the clear")
    pem = {name: _pem(name, words[name]) for name in ("ca", "cert", "key") if name in words}
    try:
        return Tls(
            ca=pem.get("ca"), certificate=pem.get("cert"), key=pem.get("key"), server_name=words.get("server_name")
        )
    except ValueError:
        raise unusable("the target's cert and key go together: give both or neither") from None


def _pem(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise unusable(f"the target's {name} can't be read: {path}: {error.strerror}") from None
