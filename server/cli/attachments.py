"""What goes along with the inputs of a call: second texts, contexts, earlier messages and tables."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from savor.client import ChatMessage
from savor.server.cli.failures import Unusable
from savor.server.cli.inputs import Input, decode, pair, question, read_file


def text_or_file(given: str) -> str:
    """A text, or with @ in front the text of a file."""
    return _text(given[1:]) if given.startswith("@") else given


def read_history(name: str) -> list[Any]:
    """The messages of a JSON file, which is a list of them."""
    messages = _json(_text(name), name)
    if not isinstance(messages, list):
        raise Unusable(f"{name} must be a JSON list of messages, each with role and content")
    return messages


def read_table(name: str) -> Any:
    """A table: JSON of columns or rows where the file is named .json, else CSV whose first line names the columns.

    Numbers are kept as they are spelled.
    """
    text = _text(name)
    return _json(text, name) if Path(name).suffix.lower() == ".json" else _columns(text, name)


def with_second_text(inputs: list[Input], second: str) -> list[Input]:
    """The one text there is, with its second text."""
    if len(inputs) != 1 or inputs[0].value.text_pair is not None:
        raise Unusable("--option text_pair goes with one text; for several, part text and pair with a TAB in --file")
    return [pair(inputs[0].value.text, second)]


def with_context(inputs: list[Input], context: str) -> list[Input]:
    """Questions about this context, but for those that have one of their own."""
    return [question(each.value.question, context) if each.lacks else each for each in inputs]


def with_history(inputs: list[Input], messages: list[Any]) -> list[Input]:
    """Conversations that go on after these messages."""
    return [Input(each.shown, [*messages, *each.value]) for each in inputs]


def with_system(inputs: list[Input], text: str) -> list[Input]:
    """Conversations that begin with this system message."""
    return with_history(inputs, [ChatMessage("system", text)])


def _columns(text: str, name: str) -> dict[str, list[str]]:
    try:
        header, *rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row] or [[]]
    except csv.Error as error:
        raise Unusable(f"{name} is not CSV: {error}") from None
    if len(set(header)) < len(header):
        raise Unusable(f"{name} names a column twice")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise Unusable(f"{name} has {len(row)} cells in row {number}, not {len(header)}")
    return {column: [row[index] for row in rows] for index, column in enumerate(header)}


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except ValueError as error:
        raise Unusable(f"{name} is not JSON: {error}") from None


def _text(name: str) -> str:
    return decode(read_file(Path(name), "this option takes a file"), name)
