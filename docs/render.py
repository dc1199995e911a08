"""`python -m docs.render`: the parts of the documentation that are made from the code; a test holds them to it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from savor.server.config import Settings
from savor.server.settings import walk

FILE = Path(__file__).with_name("configuration.md")
BEGIN, END = "<!-- rendered by python -m docs.render -->", "<!-- end -->"


def rendered(text: str) -> str:
    """A document with the text between its marks made anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{_table()}{END}{tail}"


def _table() -> str:
    return "\n".join(["| setting | default | what it is |", "|---|---|---|", *_rows(), ""])


def _rows() -> Iterator[str]:
    for path, field in walk(Settings):
        yield f"| `{'.'.join(path)}` | {_default(field)} | {field.description} |"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value in (None, (), {}, PydanticUndefined):
        return "-"
    text = str(getattr(value, "value", value))
    return f"`{text.lower() if isinstance(value, bool) else text}`"


if __name__ == "__main__":
    FILE.write_text(rendered(FILE.read_text()))
