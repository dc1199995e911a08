"""What models write: texts, and the choices with their usage that MLflow's llm/v1 models answer with."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from savor.client import Client
from tests.parity.asked import Params, Payload, Predict


def writing(method: str) -> Callable[[Client, str, Sequence[str], Params], Any]:
    def ours(client: Client, model: str, texts: Sequence[str], params: Params) -> Any:
        results = getattr(client, method)(texts, model=model, parameters=params).results
        # B5: MLflow lists the sequences of all texts one after the other.
        return [sequence.text.strip() for result in results for sequence in result.sequences]

    return ours


def as_they_are(predict: Predict, inputs: Any) -> Any:
    return predict(inputs)


FINISHED = {"length": "length", "end_token": "stop", "stop_sequence": "stop"}


def chat(client: Client, model: str, asked: Payload, params: Params) -> Any:
    given = {**params, **asked.options}
    results = client.complete_chat(list(asked.entries), model=model, parameters=given).results
    replies = [(result.replies[0], result.prompt_token_count) for result in results]
    return [(r.message.content.lstrip(), FINISHED[r.finish_reason], r.token_count, count) for r, count in replies]


def chat_rows(asked: Payload) -> list[Any]:
    messages = [[{"role": role, "content": content} for role, content in entry] for entry in asked.entries]
    return [{"messages": each, **asked.options} for each in messages]


def chat_replies(predict: Predict, asked: Payload) -> Any:
    return [choice(answer, lambda choice: choice["message"]["content"]) for answer in predict(chat_rows(asked))]


def choice(answer: Any, text_of: Callable[[Any], str]) -> Any:
    [choice] = answer["choices"]
    usage = answer["usage"]
    return (text_of(choice), choice["finish_reason"], usage["completion_tokens"], usage["prompt_tokens"])


def complete(client: Client, model: str, asked: Payload, params: Params) -> Any:
    given = {**params, **asked.options}
    results = client.generate_text(asked.entries, model=model, parameters=given).results
    texts = [(result.sequences[0], result.prompt_token_count) for result in results]
    return [(s.text.lstrip(), FINISHED[s.finish_reason], s.token_count, count) for s, count in texts]


def prompt_rows(asked: Payload) -> list[Any]:
    return [{"prompt": entry, **asked.options} for entry in asked.entries]


def completions(predict: Predict, asked: Payload) -> Any:
    return [choice(answer, lambda choice: choice["text"]) for answer in predict(prompt_rows(asked))]


def embed(client: Client, model: str, asked: Payload, params: Params) -> Any:
    results = client.embed_text(asked.entries, model=model, parameters=params).results
    return [np.array(result.values) for result in results], sum(result.token_count for result in results)


def embedding_rows(asked: Payload) -> list[Any]:
    return [{"input": entry} for entry in asked.entries]


def embeddings(predict: Predict, asked: Payload) -> Any:
    answer = predict({"input": list(asked.entries)})
    return [np.array(each["embedding"], float) for each in answer["data"]], answer["usage"]["prompt_tokens"]
