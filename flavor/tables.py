"""Tables of texts: what one may be, checked before a tokenizer reads it, and the data frame that transformers wants.

transformers' tokenizers for tables read every cell anew for every question, in Python. So a table is bounded by what
models can read of it, which is far less than what a message can hold.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from savor.flavor.errors import InvalidInput

_MAX_CELLS = 2048
_MAX_CHARS = 32_768
_MAX_TEXT_CHARS = 1000
"""The time that TAPAS takes to find numbers in a text grows with the square of its length."""

_MAX_READS = 65_536
_LEAST_WORDS = 8
_WORD = re.compile(r"\d+|[^\W\d_]+")
"""What may be a number to TAPAS. It compares every number of a question with every cell."""


@dataclass(frozen=True)
class TableColumn:
    """One column: its name and its cells from top to bottom."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of texts, by columns."""

    columns: tuple[TableColumn, ...] = ()


def check(table: Table, questions: Sequence[str]) -> None:
    """Raises InvalidInput for a table or a question that no model can read, or that would take too long to read."""
    for index, question in enumerate(questions):
        if not question:
            raise InvalidInput.at(f"inputs[{index}]", "is empty")
        _check_text(f"inputs[{index}]", question)
    _check_shape(table.columns)
    for field, text in _texts(table):
        _check_text(field, text)
    chars = sum(len(text) for _, text in _texts(table))
    if chars > _MAX_CHARS:
        raise InvalidInput.at("table", f"has {chars:,} characters; a table may have {_MAX_CHARS:,}: give less of it")
    _check_cells(len(table.columns) * len(table.columns[0].cells), questions)


def frame(table: Table) -> Any:
    """The table as a `pandas.DataFrame`."""
    import pandas

    return pandas.DataFrame({column.name: list(column.cells) for column in table.columns})


def _texts(table: Table) -> Iterator[tuple[str, str]]:
    """Every text of the table, with its field."""
    for index, column in enumerate(table.columns):
        yield f"table.columns[{index}].name", column.name
        for row, cell in enumerate(column.cells):
            yield f"table.columns[{index}].cells[{row}]", cell


def _check_shape(columns: Sequence[TableColumn]) -> None:
    if not columns:
        raise InvalidInput.at("table.columns", "is empty; a table has at least one column")
    if not columns[0].cells:
        raise InvalidInput.at("table.columns[0].cells", "is empty; a table has at least one row")
    names: set[str] = set()
    for index, column in enumerate(columns):
        if column.name in names:
            raise InvalidInput.at(f"table.columns[{index}].name", f"{column.name!r:.80} is a column's name already")
        names.add(column.name)
        if len(column.cells) != len(columns[0].cells):
            problem = f"has {len(column.cells)} cells, and the first column has {len(columns[0].cells)}"
            raise InvalidInput.at(f"table.columns[{index}].cells", f"{problem}: make all equally long")


def _check_text(field: str, text: str) -> None:
    if len(text) > _MAX_TEXT_CHARS:
        problem = f"has {len(text):,} characters; a question, a name or a cell may have {_MAX_TEXT_CHARS:,}"
        raise InvalidInput.at(field, problem)


def _check_cells(cells: int, questions: Sequence[str]) -> None:
    if cells > _MAX_CELLS:
        raise InvalidInput.at("table", f"has {cells:,} cells; a table may have {_MAX_CELLS:,}: give less of it")
    words = sum(max(len(_WORD.findall(question)), _LEAST_WORDS) for question in questions)
    if cells * words > _MAX_READS:
        problem = f"have {words:,} words, {_LEAST_WORDS} at least counted for each, for a table of {cells:,} cells"
        advice = f"words times cells may be {_MAX_READS:,}, so give fewer questions"
        raise InvalidInput.at("inputs", f"{problem}: {advice}")
