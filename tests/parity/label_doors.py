"""Labels, tokens for masks and vectors, from the typed reply and from MLflow's frames, lists and arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from savor.client import Client, TextPair
from tests.parity.asked import Params, Predict


def labels(results: Any) -> list[list[tuple[str, float]]]:
    return [[(each.label, each.score) for each in result.labels] for result in results]


def rows_of_labels(frame: Any) -> list[list[tuple[str, float]]]:
    """MLflow's frame of one label for each input, or of cells with all of them."""
    if "label" in frame:
        return [[pair] for pair in zip(frame["label"], frame["score"], strict=True)]
    return [[(cell["label"], cell["score"]) for cell in row] for row in frame.itertuples(index=False)]


def classify_text(client: Client, model: str, texts: Sequence[str], params: Params) -> Any:
    return labels(client.classify_text(texts, model=model, parameters=params).results)


def text_labels(predict: Predict, texts: Sequence[str]) -> Any:
    # B1: beside a text that is no literal of Python's, none is evaluated.
    return rows_of_labels(predict([*texts, "no literal"]))[:-1]


def classify_pairs(client: Client, model: str, pairs: Sequence[tuple[str, str]], params: Params) -> Any:
    return labels(client.classify_text([TextPair(*pair) for pair in pairs], model=model, parameters=params).results)


def pair_labels(predict: Predict, pairs: Sequence[tuple[str, str]]) -> Any:
    return rows_of_labels(predict(pair_rows(pairs)))


def pair_rows(pairs: Sequence[tuple[str, str]]) -> list[Any]:
    return [{"text": text, "text_pair": pair} for text, pair in pairs]


def classify_tokens(client: Client, model: str, texts: Sequence[str], params: Params) -> Any:
    results = client.classify_tokens(texts, model=model, parameters=params).results
    return [",".join(each.label for each in result.entities) for result in results]


def token_labels(predict: Predict, texts: Sequence[str]) -> Any:
    try:
        return predict(texts)
    except IndexError:
        # B3: one text without entities fails the batch.
        return [labels_of_one(predict, text) for text in texts]


def labels_of_one(predict: Predict, text: str) -> str:
    try:
        return str(predict([text])[0])
    except IndexError:
        return ""


def fill_mask(client: Client, model: str, texts: Sequence[str], params: Params) -> Any:
    results = client.fill_mask(texts, model=model, parameters=params).results
    best = [[mask.candidates[0].token.strip() for mask in result.masks] for result in results]
    # B6: MLflow lists the masks of one text as if they were texts.
    return best[0] if len(best) == 1 else [masks[0] if len(masks) == 1 else masks for masks in best]


def features(client: Client, model: str, texts: Sequence[str], params: Params) -> Any:
    results = client.extract_features(texts, model=model, parameters=params).results
    return [result.features.to_numpy().astype(np.float64) for result in results]


def each_alone(predict: Predict, texts: Sequence[str]) -> Any:
    # B4: of several texts MLflow answers the first.
    return [predict([text]) for text in texts]
