"""The examples' calls: each as a shell command that runs as it is printed, and its answer in a form fit for a page.

What is long is cut at marks that say so, and numbers are rounded. No two runs share their times and their models'
versions: `timing` is left out, and a version is a mark.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import imageio_ffmpeg
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from docs.examples import Example

ROOT = Path(__file__).parents[1]
ADDRESS = "localhost:8500"

_WIDTH = 110
_LONGEST_LIST, _LIST_HEAD = 8, 3
_DIGITS = 4
_CUT = "…"

Answer = Sequence[Any]
"""The messages of an answer, as proto3 JSON."""


def command(example: Example, model: str) -> str:
    """The shell command that makes the example's call."""
    sent = "\n".join(laid_out(message) for message in example.messages(model))
    return f"grpcurl -plaintext -d @ {ADDRESS} savor.v1.{example.rpc} <<JSON\n{sent}\nJSON"


def run(shell_command: str, target: str) -> Answer:
    """What the command prints with the server elsewhere. Raises RuntimeError with what it complains of."""
    with _programs() as path:
        done = subprocess.run(
            ["bash", "-c", shell_command.replace(ADDRESS, target)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            timeout=120,
            check=False,
        )
    if done.returncode or "ffmpeg" in done.stderr:
        raise RuntimeError(f"{shell_command[:200]}\n{done.stderr}")
    return list(json_values(done.stdout))


@contextmanager
def _programs() -> Iterator[str]:
    """A PATH with grpcurl, and with ffmpeg under its own name."""
    with TemporaryDirectory() as folder:
        Path(folder, "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
        yield os.pathsep.join([folder, str(Path(sys.executable).parent), os.environ["PATH"]])


def json_values(text: str) -> Iterator[Any]:
    """The JSON values in a text, one after the other."""
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest:
        value, end = decoder.raw_decode(rest)
        yield value
        rest = rest[end:].lstrip()


def shortened(message: Mapping[str, Any], kind: Descriptor) -> dict[str, Any]:
    """A message of an answer as the page shows it."""
    fields = {field.json_name: field for field in kind.fields}
    cut = {name: _short(value, fields[name]) for name, value in message.items() if name != "timing"}
    return cut | dict.fromkeys(cut.keys() & {"modelVersion"}, _CUT)


def _short(value: Any, field: FieldDescriptor) -> Any:
    if isinstance(value, list):
        kept = value if len(value) <= _LONGEST_LIST else value[:_LIST_HEAD]
        more = [f"{_CUT} {len(value) - len(kept)} more"] if len(kept) < len(value) else []
        return [_short(each, field) for each in kept] + more
    if field.message_type is not None:
        return shortened(value, field.message_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return f"{_CUT} {len(value)} characters of base64"
    return round(value, _DIGITS) if isinstance(value, float) else value


def laid_out(value: Any, indent: int = 0) -> str:
    """A value as JSON, each part on one line if it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= _WIDTH:
        return line
    pad = " " * (indent + 2)
    match value:
        case dict():
            parts = [f"{pad}{json.dumps(key)}: {laid_out(part, indent + 2)}" for key, part in value.items()]
            start, end = "{}"
        case list():
            parts = [f"{pad}{laid_out(part, indent + 2)}" for part in value]
            start, end = "[]"
        case _:
            return line
    return "\n".join([start, ",\n".join(parts), f"{' ' * indent}{end}"])
