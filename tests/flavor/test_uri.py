"""Recordings by URL: nothing outside the operator's prefixes is read, however it is spelled, and only so much."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from savor.flavor import uri
from savor.flavor.errors import InvalidInput

SOUND = b"RIFF of a kind"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that may be read, beside one that may not."""
    (tmp_path / "allowed" / "below").mkdir(parents=True)
    (tmp_path / "allowed" / "sound.wav").write_bytes(SOUND)
    (tmp_path / "allowed" / "below" / "a sound.wav").write_bytes(SOUND)
    (tmp_path / "allowed-not").mkdir()
    (tmp_path / "allowed-not" / "secret").write_bytes(b"secret")
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "allowed"


def _fetch(address: str, *prefixes: str, max_bytes: int = 1_000) -> bytes:
    return uri.fetch(address, prefixes, max_bytes, "inputs[2].uri")


@pytest.mark.parametrize("slash", ["", "/"], ids=["without a slash", "with one"])
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("sound.wav", id="in it"),
        pytest.param("below/a%20sound.wav", id="below it, escaped"),
        pytest.param("below/../sound.wav", id="back into it"),
        pytest.param("./sound.wav", id="with a dot"),
    ],
)
def test_a_file_below_the_prefix(root: Path, path: str, slash: str) -> None:
    assert _fetch(f"file://{root}/{path}", f"file://{root}{slash}") == SOUND


ESCAPES = [
    pytest.param("{root}/../secret", id="upwards"),
    pytest.param("{root}/%2e%2e/secret", id="upwards, escaped"),
    pytest.param("{root}/below/../../secret", id="down and upwards"),
    pytest.param("{root}-not/secret", id="a folder whose name begins so"),
    pytest.param("{root}/link", id="a link out of it"),
    pytest.param("{root}/folder-link/secret", id="a link to a folder out of it"),
    pytest.param("/etc/passwd", id="somewhere else"),
    pytest.param("{root}/%00", id="a zero byte"),
    pytest.param("", id="nowhere"),
]


@pytest.mark.parametrize("path", ESCAPES)
def test_a_file_outside_the_prefix(root: Path, path: str) -> None:
    (root / "link").symlink_to(root.parent / "secret")
    (root / "folder-link").symlink_to(root.parent / "allowed-not")
    with pytest.raises(InvalidInput, match=r"inputs\[2\].uri: this server reads no such uri"):
        _fetch(f"file://{path.format(root=root)}", f"file://{root}/")


def test_a_link_within_the_prefix(root: Path) -> None:
    (root / "link").symlink_to(root / "sound.wav")
    assert _fetch(f"file://{root}/link", f"file://{root}/") == SOUND


def test_a_prefix_that_is_itself_a_link(root: Path) -> None:
    (root.parent / "alias").symlink_to(root)
    assert _fetch(f"file://{root}/sound.wav", f"file://{root.parent}/alias/") == SOUND


def test_nothing_is_read_by_default(root: Path) -> None:
    with pytest.raises(InvalidInput, match="send the bytes as content"):
        _fetch(f"file://{root}/sound.wav")


def test_what_is_allowed_is_named(root: Path) -> None:
    with pytest.raises(InvalidInput, match=r"allowed are https://a\.example/x/, https://b\.example/"):
        _fetch(f"file://{root}/sound.wav", "https://a.example/x/", "https://b.example/")


UNREADABLE = [
    pytest.param("{root}/nothing", id="a file that is not there"),
    pytest.param("{root}/below", id="a folder"),
    pytest.param("{root}/" + "x" * 300, id="a name that is too long"),
]


@pytest.mark.parametrize("path", UNREADABLE)
def test_a_file_that_can_not_be_read(root: Path, path: str) -> None:
    with pytest.raises(InvalidInput, match=r"inputs\[2\].uri: there is no such file"):
        _fetch(f"file://{path.format(root=root)}", f"file://{root}/")


MALFORMED = ["http://[", "http://[::1", "file://[x]/y", "\0", "://", "sound.wav", "/etc/passwd", "C:\\sound.wav"]


@pytest.mark.parametrize("address", MALFORMED, ids=repr)
def test_what_is_no_url(root: Path, address: str) -> None:
    with pytest.raises(InvalidInput):
        _fetch(address, f"file://{root}/", "http://host.example/")


def test_a_file_as_large_as_allowed(root: Path) -> None:
    assert _fetch(f"file://{root}/sound.wav", f"file://{root}/", max_bytes=len(SOUND)) == SOUND
    with pytest.raises(InvalidInput, match="is larger than the 13 bytes"):
        _fetch(f"file://{root}/sound.wav", f"file://{root}/", max_bytes=len(SOUND) - 1)


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(InvalidInput, match="is larger than the 1,000 bytes"):
        _fetch("file:///dev/zero", "file:///dev/")


class _Answers(BaseHTTPRequestHandler):
    """Other people's server."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, headers, body = ANSWERS.get(self.path.split("?")[0], (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "/data/sound.wav": (200, {"Content-Length": str(len(SOUND))}, SOUND),
    "/data/streamed.wav": (200, {}, SOUND),
    "/data/packed.wav": (200, {"Content-Encoding": "gzip"}, gzip.compress(SOUND)),
    "/data/bomb.wav": (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(10_000_000))),
    "/data/damaged.wav": (200, {"Content-Encoding": "gzip"}, b"this is not gzip"),
    "/data/cut.wav": (200, {"Content-Length": "1000"}, SOUND),
    "/data/large.wav": (200, {}, bytes(100_000)),
    "/data/moved.wav": (302, {"Location": "/secret"}, b""),
    "/data/moved-within.wav": (301, {"Location": "/data/sound.wav"}, b""),
    "/data/forbidden.wav": (403, {}, b""),
    "/data/failing.wav": (500, {}, b""),
    "/secret": (200, {}, b"secret"),
    "/data-not/secret": (200, {}, b"secret"),
}


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _address(site: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{site.server_address[1]}"


@pytest.mark.parametrize("name", ["sound.wav", "streamed.wav", "packed.wav", "sound.wav?token=1"])
def test_a_recording_over_http(site: ThreadingHTTPServer, name: str) -> None:
    assert _fetch(f"{_address(site)}/data/{name}", f"{_address(site)}/data/") == SOUND
    assert site.asked == [f"/data/{name}"]


NOT_ASKED = [
    pytest.param("/secret", id="outside the path"),
    pytest.param("/data-not/secret", id="a path that begins so"),
    pytest.param("/data", id="the folder itself"),
    pytest.param("/data/../secret", id="upwards"),
    pytest.param("/data/%2e%2e/secret", id="upwards, escaped"),
    pytest.param("/data/%2E./secret", id="upwards, half escaped"),
    pytest.param("/Data/sound.wav", id="another case"),
]


@pytest.mark.parametrize("path", NOT_ASKED)
def test_an_address_outside_the_prefix_is_not_asked(site: ThreadingHTTPServer, path: str) -> None:
    with pytest.raises(InvalidInput, match="this server reads no such uri"):
        _fetch(_address(site) + path, f"{_address(site)}/data/")
    assert site.asked == []


OTHER_HOSTS = [
    pytest.param("http://127.0.0.1:1/data/sound.wav", id="another port"),
    pytest.param("http://localhost:{port}/data/sound.wav", id="another name of the host"),
    pytest.param("http://user@127.0.0.1:{port}/data/sound.wav", id="with a user"),
    pytest.param("http://127.0.0.1:{port}@evil.example/data/sound.wav", id="the host as a user"),
    pytest.param("https://127.0.0.1:{port}/data/sound.wav", id="another scheme"),
    pytest.param("ftp://127.0.0.1:{port}/data/sound.wav", id="ftp"),
    pytest.param("file:///data/sound.wav", id="a file"),
    pytest.param("//127.0.0.1:{port}/data/sound.wav", id="no scheme"),
]


@pytest.mark.parametrize("address", OTHER_HOSTS)
def test_another_host_is_not_asked(site: ThreadingHTTPServer, address: str) -> None:
    with pytest.raises(InvalidInput, match="this server reads no such uri"):
        _fetch(address.format(port=site.server_address[1]), f"{_address(site)}/data/")
    assert site.asked == []


@pytest.mark.parametrize("prefix", ["ftp://host.example/", "s3://bucket/", "gopher://host.example/"])
def test_a_scheme_that_is_not_served_is_not_served_for_being_listed(prefix: str) -> None:
    with pytest.raises(InvalidInput, match="this server reads no such uri"):
        _fetch(f"{prefix}sound.wav", prefix)


REFUSED = [
    pytest.param("moved.wav", "answered with status 302", id="a redirect"),
    pytest.param("moved-within.wav", "answered with status 301", id="a redirect within the prefix"),
    pytest.param("forbidden.wav", "answered with status 403", id="forbidden"),
    pytest.param("failing.wav", "answered with status 500", id="failing"),
    pytest.param("nothing.wav", "answered with status 404", id="not there"),
    pytest.param("large.wav", "is larger than the 1,000 bytes", id="too large"),
    pytest.param("bomb.wav", "is larger than the 1,000 bytes", id="small until it is unpacked"),
    pytest.param("cut.wav", "can't be fetched", id="a connection that breaks"),
    pytest.param("damaged.wav", "can't be fetched", id="bytes that can't be unpacked"),
]


@pytest.mark.parametrize(("name", "sentence"), REFUSED)
def test_an_answer_that_is_refused(site: ThreadingHTTPServer, name: str, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence) as caught:
        _fetch(f"{_address(site)}/data/{name}", f"{_address(site)}/data/")
    assert caught.value.violations[0].field == "inputs[2].uri"
    assert site.asked == [f"/data/{name}"]


def test_a_server_that_is_not_there(site: ThreadingHTTPServer) -> None:
    address = _address(site)
    site.shutdown()
    site.server_close()
    with pytest.raises(InvalidInput, match=r"can't be fetched \(ConnectionError\)"):
        _fetch(f"{address}/data/sound.wav", f"{address}/data/")
