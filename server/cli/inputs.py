"""What a call sends, read from arguments, files and stdin: a text is taken as it is, a line is a text."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from savor.client import ChatMessage, Question, TextPair, Uri
from savor.server.cli.failures import Unusable
from savor.server.cli.request import STDIN, CallRequest

# A tenth of a second of most recordings: what is sent of live speech at once.
_PIECE_BYTES = 3200


@dataclass(frozen=True)
class Input:
    """One input: what tables show for it, the value that the client sends, and what it needs before it can be sent."""

    shown: str
    value: Any
    lacks: str = ""


def texts(request: CallRequest) -> list[Input]:
    """Texts: each argument is one, and each line of a file or of stdin."""
    return [Input(text, text) for text in (*_arguments(request), *_lines(request))]


def pairs(request: CallRequest) -> list[Input]:
    """Texts, or pairs of texts: a TAB in a line of a file or of stdin parts the two."""
    return [Input(text, TextPair(text)) for text in _arguments(request)] + [pair(*line) for line in _tabbed(request)]


def questions(request: CallRequest) -> list[Input]:
    """Questions, which need a context yet, and lines of a question and its context, parted by a TAB."""
    return [question(text) for text in _arguments(request)] + [question(*line) for line in _tabbed(request)]


def conversations(request: CallRequest) -> list[Input]:
    """Conversations of one message by the user, which is a text."""
    return [Input(each.shown, [ChatMessage("user", each.value)]) for each in texts(request)]


def media(hint: str) -> Callable[[CallRequest], list[Input]]:
    """What reads recordings or images: paths of files, URLs for the server to read, and stdin as one whole file."""
    return lambda request: [_file(name, hint) for name in _sources(request)]


def body(request: CallRequest) -> list[Input]:
    """Requests to MLflow: each argument is one, and each file and stdin as a whole."""
    files = [(_whole_stdin(), "stdin")] if STDIN in request.inputs else []
    files += [(read_file(file, "--file takes a JSON file"), str(file)) for file in request.files]
    given = [Input(text, text) for text in _arguments(request)]
    return given + [Input(name, decode(content, name)) for content, name in files]


def samples(request: CallRequest) -> list[Input]:
    """Bare samples, as they come: paths of files of them, and stdin."""
    return [Input("stdin" if name == STDIN else name, _pieces(name)) for name in _sources(request)]


def read_file(path: Path, hint: str) -> bytes:
    """A file's content. Raises Unusable where it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"can't read {path}: {error.strerror} ({hint})") from None


def decode(content: bytes, name: str) -> str:
    """The text of a file. Raises Unusable where it is not UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unusable(f"{name} is not UTF-8 text: see its byte {error.start}") from None


def pair(text: str, second: str | None = None) -> Input:
    """A text, with the second one where there is one."""
    return Input(text if second is None else f"{text}\t{second}", TextPair(text, second))


def question(text: str, context: str | None = None) -> Input:
    """A question, which lacks its context where none is given."""
    lacks = "a context: --option context=TEXT or context=@FILE, or a TAB and the context after each question in --file"
    return Input(text, Question(text, context or ""), lacks if context is None else "")


def _file(name: str, hint: str) -> Input:
    if name == STDIN:
        return Input("stdin", _whole_stdin())
    return Input(name, Uri(name) if "://" in name else read_file(Path(name), hint))


def _pieces(name: str) -> Iterator[bytes]:
    if name == STDIN:
        yield from iter(partial(sys.stdin.buffer.read, _PIECE_BYTES), b"")
        return
    content = read_file(Path(name), "inputs are files of bare samples")
    yield from (content[start : start + _PIECE_BYTES] for start in range(0, len(content), _PIECE_BYTES))


def _sources(request: CallRequest) -> list[str]:
    return [*request.inputs, *map(str, request.files)]


def _arguments(request: CallRequest) -> list[str]:
    return [text for text in request.inputs if text != STDIN]


def _tabbed(request: CallRequest) -> Iterator[list[str]]:
    return (line.split("\t", 1) for line in _lines(request))


def _lines(request: CallRequest) -> Iterator[str]:
    if STDIN in request.inputs:
        yield from _split(_whole_stdin(), "stdin")
    for file in request.files:
        yield from _split(read_file(file, "--file takes a text file"), str(file))


def _split(content: bytes, name: str) -> list[str]:
    """The lines, without what ends them. Only line feeds end lines: other separators are part of a text."""
    lines = decode(content, name).split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _whole_stdin() -> bytes:
    return sys.stdin.buffer.read()
