"""What classifies and encodes texts: the arguments of each method, and the request that they make."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from savor.client.inputs import TextInput, TextPair, text_pairs, texts
from savor.client.requests import Parameters, Request, Texts, request

Aggregation: TypeAlias = Literal["none", "simple", "first", "average", "max"]
Pooling: TypeAlias = Literal["mean", "cls", "last"]


def classify_text(
    inputs: str | TextPair | Iterable[TextInput],
    *,
    model: str = "",
    parameters: Parameters = None,
    top_k: int | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The best labels of each text, or of each pair of texts, with their scores.

    `inputs` is a str, a TextPair, or a list of str, (text, text_pair) tuples and TextPairs. `top_k` labels are
    given for each, 1 or more, 0 for all; None stands for the model's own number, else 1.
    """
    return request(timeout_s, model=model, inputs=text_pairs(inputs), parameters=parameters, top_k=top_k)


def classify_tokens(
    inputs: Texts,
    *,
    model: str = "",
    parameters: Parameters = None,
    aggregation_strategy: Aggregation | None = None,
    timeout_s: float | None = None,
) -> Request:
    """The entities of each text, in the order of the text.

    `aggregation_strategy` says how tokens are joined: "none", "simple", "first", "average" or "max"; None stands for
    the model's own setting, else none.
    """
    return request(
        timeout_s,
        model=model,
        inputs=texts(inputs),
        parameters=parameters,
        aggregation_strategy=aggregation_strategy,
    )


def classify_zero_shot(
    inputs: Texts,
    *,
    candidate_labels: Texts,
    model: str = "",
    parameters: Parameters = None,
    hypothesis_template: str | None = None,
    multi_label: bool | None = None,
    timeout_s: float | None = None,
) -> Request:
    """How well each of `candidate_labels` fits each text, best first.

    A label is taken as it is, commas included. `hypothesis_template` is a sentence with one {} where the label goes;
    `multi_label` scores each label by itself. None stands for the model's own, else "This example is {}." and false.
    """
    return request(
        timeout_s,
        model=model,
        inputs=texts(inputs),
        parameters=parameters,
        candidate_labels=texts(candidate_labels, "candidate_labels"),
        hypothesis_template=hypothesis_template,
        multi_label=multi_label,
    )


def fill_mask(
    inputs: Texts,
    *,
    model: str = "",
    parameters: Parameters = None,
    top_k: int | None = None,
    targets: Texts = (),
    timeout_s: float | None = None,
) -> Request:
    """The likeliest tokens for each mask of each text; a mask is written as the model's own mask token.

    `top_k` candidates are given for each, 1 or more; None stands for the model's own number, else 5. Where `targets`
    are given, only these tokens are candidates.
    """
    return request(
        timeout_s,
        model=model,
        inputs=texts(inputs),
        parameters=parameters,
        top_k=top_k,
        targets=texts(targets, "targets"),
    )


def extract_features(
    inputs: Texts, *, model: str = "", parameters: Parameters = None, timeout_s: float | None = None
) -> Request:
    """The vectors of each text's tokens, special tokens included: a Tensor of shape (tokens, hidden)."""
    return request(timeout_s, model=model, inputs=texts(inputs), parameters=parameters)


def embed_text(
    inputs: Texts,
    *,
    model: str = "",
    parameters: Parameters = None,
    pooling: Pooling | None = None,
    normalize: bool | None = None,
    timeout_s: float | None = None,
) -> Request:
    """One vector for each text: its tokens' vectors pooled, and scaled to length 1 where `normalize` is true.

    `pooling` is "mean", "cls" (the first token's vector) or "last". None stands for the model's own setting, else
    the mean, and no scaling.
    """
    return request(
        timeout_s, model=model, inputs=texts(inputs), parameters=parameters, pooling=pooling, normalize=normalize
    )
