"""What a request names by URL: read only below the prefixes that the operator lists, and only so much.

MLflow opens any path and fetches any address that a caller names. Here the list is empty unless the operator fills it;
redirects are not followed, and a file must lie below its prefix after links are resolved.
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from savor.flavor.errors import InvalidInput

_TIMEOUT_S = 10.0


def fetch(uri: str, prefixes: Sequence[str], max_bytes: int, field: str) -> bytes:
    """The bytes behind a URL. Raises InvalidInput where it is not allowed, not there or too large."""
    if not _allowed(uri, prefixes):
        advice = "send the bytes as content" if not prefixes else f"allowed are {', '.join(prefixes)}"
        raise InvalidInput.at(field, f"this server reads no such uri: {advice}")
    read = _read_file if urlsplit(uri).scheme == "file" else _read_http
    content = read(uri, max_bytes + 1, field)
    if len(content) > max_bytes:
        raise InvalidInput.at(field, f"is larger than the {max_bytes:,} bytes that this server reads")
    return content


def _allowed(uri: str, prefixes: Sequence[str]) -> bool:
    try:
        return any(_below(uri, prefix) for prefix in prefixes)
    except ValueError:
        # What urlsplit or the file system can't take, such as a zero byte, is no URL.
        return False


def _below(uri: str, prefix: str) -> bool:
    """Whether a URL lies below an allowed one: same scheme and host, and a path inside the prefix's folder."""
    asked, allowed = urlsplit(uri), urlsplit(prefix)
    if (asked.scheme, asked.netloc) != (allowed.scheme, allowed.netloc):
        return False
    if asked.scheme == "file":
        return _file(asked.path).is_relative_to(_file(allowed.path))
    folder = allowed.path.rstrip("/") + "/"
    return asked.scheme in ("http", "https") and asked.path.startswith(folder) and ".." not in unquote(asked.path)


def _file(path: str) -> Path:
    return Path(unquote(path)).resolve()


def _read_file(uri: str, size: int, field: str) -> bytes:
    try:
        with _file(urlsplit(uri).path).open("rb") as file:
            return file.read(size)
    except (OSError, ValueError):
        raise InvalidInput.at(field, "there is no such file") from None


def _read_http(uri: str, size: int, field: str) -> bytes:
    import requests
    from urllib3.exceptions import HTTPError

    try:
        with requests.get(uri, stream=True, timeout=_TIMEOUT_S, allow_redirects=False) as response:
            if response.status_code != requests.codes.ok:
                raise InvalidInput.at(field, f"the other server answered with status {response.status_code}")
            return response.raw.read(size, decode_content=True)
    except (requests.RequestException, HTTPError) as error:
        raise InvalidInput.at(field, f"can't be fetched ({type(error).__name__})") from None
