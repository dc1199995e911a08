"""What a call sends, read from arguments, files and stdin: a text is taken as it is, a line is a text."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savor.client import TextPair, Uri
from savor.server.cli.failures import Unusable
from savor.server.cli.request import STDIN, CallRequest


@dataclass(frozen=True)
class Input:
    """One input: the value that the client sends, and what tables show for it."""

    shown: str
    value: Any


def texts(request: CallRequest) -> list[Input]:
    """Texts: each argument is one, and each line of a file or of stdin."""
    return [Input(text, text) for text in (*_arguments(request), *_lines(request))]


def pairs(request: CallRequest) -> list[Input]:
    """Texts, or pairs of texts: a TAB in a line of a file or of stdin parts the two."""
    single = [Input(text, TextPair(text)) for text in request.inputs if text != STDIN]
    return single + [_pair(*line.split("\t", 1)) for line in _lines(request)]


def recordings(request: CallRequest) -> list[Input]:
    """Recordings: paths of audio files, URLs for the server to read, and stdin as one whole file."""
    return [_recording(name) for name in (*request.inputs, *map(str, request.files))]


def paired(inputs: Sequence[Input], option: str, second: str) -> list[Input]:
    """The one text there is, with a second text given by this option."""
    if len(inputs) != 1 or inputs[0].value.text_pair is not None:
        raise Unusable(f"--option {option} goes with one text; for several, part text and pair with a TAB in --file")
    return [_pair(inputs[0].value.text, second)]


def _pair(text: str, second: str | None = None) -> Input:
    return Input(text if second is None else f"{text}\t{second}", TextPair(text, second))


def _recording(name: str) -> Input:
    if name == STDIN:
        return Input("stdin", sys.stdin.buffer.read())
    return Input(name, Uri(name) if "://" in name else _read(Path(name), "inputs of this model are audio files"))


def _arguments(request: CallRequest) -> list[str]:
    return [text for text in request.inputs if text != STDIN]


def _lines(request: CallRequest) -> Iterator[str]:
    if STDIN in request.inputs:
        yield from _split(sys.stdin.buffer.read(), "stdin")
    for file in request.files:
        yield from _split(_read(file, "--file takes a text file"), str(file))


def _split(content: bytes, name: str) -> list[str]:
    """The lines, without what ends them. Only line feeds end lines: other separators are part of a text."""
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise Unusable(f"{name} is not UTF-8 text: see its byte {error.start}") from None
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _read(path: Path, hint: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"can't read {path}: {error.strerror} ({hint})") from None
