"""What answers questions about texts and tables: the arguments of each method, and the request that they make."""

from collections.abc import Iterable

from savor.client.inputs import texts
from savor.client.questions import QuestionInput, TableInput, questions, table_of
from savor.client.requests import Parameters, Request, Texts, request


def answer_question(
    inputs: QuestionInput | Iterable[QuestionInput],
    *,
    model: str = "",
    parameters: Parameters = None,
    top_k: int | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The best answers to each question, as pieces of the text that comes with it.

    `inputs` is a Question or a dict of "question" and "context", or a list of these and of (question, context) tuples.
    Up to `top_k` answers are given for each, 1 or more; None stands for the model's own number, else 1.
    """
    return request(timeout_s, model=model, inputs=questions(inputs), parameters=parameters, top_k=top_k)


def answer_table_question(
    inputs: Texts,
    *,
    table: TableInput,
    model: str = "",
    parameters: Parameters = None,
    timeout_s: float | None = None,
) -> Request:
    """The answer to each question about one table, with the cells that it comes from.

    `table` is a dict of column names and their cells, or a list of rows, each a dict with the same columns. Cells are
    texts; numbers are written as Python writes them.
    """
    return request(timeout_s, model=model, inputs=texts(inputs), parameters=parameters, table=table_of(table))
