"""What is told of one model: a fact on each line, and its parameters as a table below."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from savor.server.cli.json_lines import to_json
from savor.server.cli.screen import plain, table

Fact = tuple[str, str | Text]


def sheet(facts: Iterable[Fact], parameters: Sequence[tuple[str, str, Any]]) -> RenderableType:
    """The facts that are known, and the parameters as (name, type, default)."""
    rows = Table.grid(Column(style="dim", no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for name, value in facts:
        if value:
            rows.add_row(name, value if isinstance(value, Text) else plain(value))
    return Group(rows, Text(), _table(parameters)) if parameters else rows


def _table(parameters: Sequence[tuple[str, str, Any]]) -> Table:
    rows = table("parameter", "type", "default")
    for name, kind, default in parameters:
        rows.add_row(plain(name), plain(kind), plain(to_json(default)))
    return rows


def first_line(text: str) -> str:
    """What a long text begins with."""
    return next(iter(text.strip().splitlines()), "")


def saved_by(mlflow_version: str, transformers_version: str) -> str:
    """The versions that saved a model, as far as they were recorded."""
    versions = {"MLflow": mlflow_version, "transformers": transformers_version}
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def listed(values: Iterable[str]) -> str:
    """One on each line."""
    return "\n".join(values)
