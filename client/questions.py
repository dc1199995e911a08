"""Questions as callers pass them, each about a text or all about one table, and the messages that they become."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from savor.v1.question_answering_pb2 import QuestionAnsweringInput
from savor.v1.table_question_answering_pb2 import Table, TableColumn


@dataclass(frozen=True)
class Question:
    """A question about a text."""

    question: str
    context: str


QuestionInput: TypeAlias = Question | tuple[str, str] | Mapping[str, str]
# Cells are str, int or float; type checkers see columns of both as columns of objects.
TableInput: TypeAlias = Mapping[str, Iterable[object]] | Iterable[Mapping[str, object]]


def questions(inputs: QuestionInput | Iterable[QuestionInput]) -> list[QuestionAnsweringInput]:
    """The questions of a request. Raises TypeError where an input is none."""
    if isinstance(inputs, tuple):
        # Two inputs or a question with its context? Guessing wrong would go unnoticed.
        raise TypeError("inputs must not be a tuple: put questions in a list, and one alone in a list or a Question")
    items = [inputs] if isinstance(inputs, Question | Mapping) else inputs
    return [_question(item, f"inputs[{index}]") for index, item in enumerate(items)]


def _question(item: QuestionInput, path: str) -> QuestionAnsweringInput:
    match item:
        case (
            Question(str(question), str(context))
            | (str(question), str(context))
            | {"question": str(question), "context": str(context)}
        ):
            return QuestionAnsweringInput(question=question, context=context)
    raise TypeError(
        f"{path} must be a Question, a (question, context) tuple or a dict of the two, not {type(item).__name__}"
    )


def table_of(table: TableInput) -> Table:
    """The table of a request. Raises TypeError for what is no table or no cell, ValueError for rows that differ."""
    if isinstance(table, str):
        raise TypeError("table must be a dict of columns or a list of rows, not str")
    columns = table if isinstance(table, Mapping) else _columns(list(table))
    return Table(columns=[_column(name, cells) for name, cells in columns.items()])


def _columns(rows: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """The cells of each column, from rows that all have the columns of the first."""
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TypeError(f"table[{number}] must be a dict of columns and cells, not {type(row).__name__}")
        if row.keys() != rows[0].keys():
            raise ValueError(f"table[{number}] has the columns {', '.join(row)}, unlike table[0]")
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def _column(name: str, cells: Iterable[object]) -> TableColumn:
    if isinstance(cells, str):
        raise TypeError(f"table[{name!r}] must be a list of cells, not str")
    return TableColumn(name=name, cells=[_cell(cell, f"table[{name!r}][{row}]") for row, cell in enumerate(cells)])


def _cell(cell: object, path: str) -> str:
    if not isinstance(cell, str | int | float):
        raise TypeError(f"{path} must be a str or a number, not {type(cell).__name__}")
    return str(cell)
