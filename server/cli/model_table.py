"""Settings written into one model's table of a TOML file, line by line: comments and all else stay as they are.

What comes out is read again before it is kept: a file that can't be changed so is left alone.
"""

import re
import tomllib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

_HEADER = re.compile(r"\s*\[")
_MODEL = re.compile(r"\s*\[\[\s*models\s*\]\]")


class NotWritten(Exception):
    """A file that can't be changed. The text says why."""


def write(file: Path, uri: str, values: Mapping[str, str]) -> None:
    """Sets the values of the model with this uri. Raises NotWritten."""
    try:
        text = file.read_text(encoding="utf-8")
        wanted = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise NotWritten(f"{file} can't be read: {error}") from error
    models = [model for model in wanted.get("models", []) if isinstance(model, dict) and model.get("uri") == uri]
    if len(models) != 1:
        raise NotWritten(f"{file} has {len(models)} [[models]] with the uri {uri}, where one is wanted")
    models[0].update(values)
    changed = _changed(text, uri, values)
    if _read(changed) != wanted:
        raise NotWritten(f"{file} is written in a way that this command can't change")
    draft = file.with_name(f".{file.name}.new")
    try:
        draft.write_text(changed, encoding="utf-8")
        draft.chmod(file.stat().st_mode)
        draft.replace(file)
    except OSError as error:
        raise NotWritten(f"{file} can't be written: {error.strerror}") from error


def _changed(text: str, uri: str, values: Mapping[str, str]) -> str:
    """The text with the lines of the model's own table changed, or added right below its header."""
    lines = text.splitlines(keepends=True)
    headers = [*(number for number, line in enumerate(lines) if _HEADER.match(line)), len(lines)]
    for start, end in pairwise(headers):
        table = lines[start:end]
        if _MODEL.match(table[0]) and _read("".join(table)).get("models", [{}])[0].get("uri") == uri:
            lines[start:end] = _set(table, values)
            break
    return "".join(lines)


def _set(table: list[str], values: Mapping[str, str]) -> list[str]:
    for name, value in values.items():
        line = f'{name} = "{value}"\n'
        place = next((n for n, old in enumerate(table) if re.match(rf"\s*{name}\s*=", old)), None)
        if place is None:
            last = max(n for n, old in enumerate(table) if old.strip() and not old.lstrip().startswith("#"))
            table[last] = table[last].rstrip("\n") + "\n"
            table.insert(last + 1, line)
        else:
            comment = re.search(r"\s+#[^\"']*$", table[place].rstrip("\n"))
            table[place] = line.rstrip("\n") + (comment.group() if comment else "") + "\n"
    return table


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}
