"""Zero-shot classification and questions about texts and tables: the same in the typed RPC's words and in MLflow's."""

import json
from collections.abc import Sequence
from typing import Any

from savor.client import Client, Question
from tests.parity.asked import Params, Predict, TableQuestions, ZeroShot


def classify_zero_shot(client: Client, model: str, asked: ZeroShot, params: Params) -> Any:
    reply = client.classify_zero_shot(
        asked.texts,
        candidate_labels=asked.labels,
        hypothesis_template=asked.template,
        model=model,
        parameters=params,
    )
    pairs = zip(asked.texts, reply.results, strict=True)
    return [(text, each.label, each.score) for text, result in pairs for each in result.labels]


def zero_shot_labels(predict: Predict, asked: ZeroShot) -> Any:
    frame = predict({"sequences": list(asked.texts), **zero_shot_rest(asked)})
    return [tuple(row) for row in frame[["sequence", "labels", "scores"]].itertuples(index=False)]


def zero_shot_rest(asked: ZeroShot) -> dict[str, str]:
    template = {} if asked.template is None else {"hypothesis_template": asked.template}
    return {"candidate_labels": json.dumps(asked.labels), **template}


def zero_shot_rows(asked: ZeroShot) -> list[Any]:
    return [{"sequences": text, **zero_shot_rest(asked)} for text in asked.texts]


def answer(client: Client, model: str, questions: Sequence[tuple[str, str]], params: Params) -> Any:
    inputs = [Question(*pair) for pair in questions]
    results = client.answer_question(inputs, model=model, parameters=params).results
    # B7: MLflow lists the answers to all questions one after the other.
    return [answer.text.strip() for result in results for answer in result.answers]


def question_rows(questions: Sequence[tuple[str, str]]) -> list[Any]:
    return [{"question": question, "context": context} for question, context in questions]


def answers(predict: Predict, questions: Sequence[tuple[str, str]]) -> Any:
    return predict(question_rows(questions))


def answers_to_arrays(predict: Predict, questions: Sequence[tuple[str, str]]) -> Any:
    return predict(question_arrays(questions)[0])


def question_arrays(questions: Sequence[tuple[str, str]]) -> list[Any]:
    texts, contexts = zip(*questions, strict=True)
    return [{"question": list(texts), "context": list(contexts)}]


def answer_from_table(client: Client, model: str, asked: TableQuestions, params: Params) -> Any:
    reply = client.answer_table_question(asked.queries, table=asked.table, model=model, parameters=params)
    return [result.answer.strip() for result in reply.results]


def table_rows(asked: TableQuestions) -> list[Any]:
    return [{"query": query, "table": json.dumps(asked.table, ensure_ascii=False)} for query in asked.queries]


def table_answers(predict: Predict, asked: TableQuestions) -> Any:
    return predict(table_rows(asked))
