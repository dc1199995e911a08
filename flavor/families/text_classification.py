"""text-classification and sentiment-analysis: texts or pairs of texts to labels with scores.

A text is text: it is never evaluated as a literal, and a pair is a field of its own. Scores follow transformers'
TextClassificationPipeline; MLflow's default of one label holds unless the request or the model says otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.family import Family, Method
from savor.flavor.item import Array, Forward, Item, Prepared, Row


@dataclass(frozen=True)
class TextClassificationInput:
    """A text, or a pair of texts."""

    text: str
    text_pair: str | None = None


@dataclass(frozen=True)
class ClassifyTextRequest:
    """Texts to classify. `top_k`: labels per text, 0 for all."""

    inputs: tuple[TextClassificationInput, ...]
    parameters: Mapping[str, Any]
    top_k: int | None = None


@dataclass(frozen=True)
class ScoredLabel:
    """A label with its score."""

    label: str
    score: float


@dataclass(frozen=True)
class TextClassificationResult:
    """The labels of one text, best first."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyTextResponse:
    """One result for each input."""

    results: tuple[TextClassificationResult, ...]


@dataclass(frozen=True)
class _Decoding:
    activation: str
    top_k: int | None
    labels: Mapping[int, str]

    def __call__(self, rows: Sequence[Row]) -> ClassifyTextResponse:
        return ClassifyTextResponse(tuple(self._result(row["output"]) for row in rows))

    def _result(self, logits: Array) -> TextClassificationResult:
        scores = _ACTIVATIONS[self.activation](logits.astype(np.float32))
        # Stable, so that equal scores keep the order of the model's labels, as in transformers.
        best = np.argsort(-scores, kind="stable")[: self.top_k]
        return TextClassificationResult(tuple(ScoredLabel(self.labels[int(i)], float(scores[i])) for i in best))


def _softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max())
    return np.asarray(shifted / shifted.sum())


def _sigmoid(logits: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _none(logits: Array) -> Array:
    return logits


_ACTIVATIONS = {"softmax": _softmax, "sigmoid": _sigmoid, "none": _none}


def prepare(request: ClassifyTextRequest, artifact: Artifact) -> Prepared:
    """Encodes each text, alone or with its pair."""
    artifact.limits.check_inputs(request.inputs)
    options, warnings = artifact.options(request.parameters)
    decoding = _decoding(request.top_k, options, artifact)
    rows = _encode(request.inputs, options, artifact)
    items = tuple(Item(row, len(row["input_ids"]), Forward(), alike=tuple(row)) for row in rows)
    return Prepared(items, decoding, warnings)


def _encode(inputs: Sequence[TextClassificationInput], options: Mapping[str, Any], artifact: Artifact) -> list[Row]:
    assert artifact.encoder is not None
    for index, given in enumerate(inputs):
        artifact.limits.check_text(f"inputs[{index}].text", given.text)
        artifact.limits.check_text(f"inputs[{index}].text_pair", given.text_pair or "")
    fields = [f"inputs[{index}].text" for index in range(len(inputs))]
    texts = [given.text for given in inputs]
    paired = {given.text_pair is not None for given in inputs}
    if paired == {False}:
        return artifact.encoder.encode(texts, fields, options)
    if paired == {True}:
        return artifact.encoder.encode(texts, fields, options, [given.text_pair or "" for given in inputs])
    # A tokenizer takes pairs for all of its texts or for none.
    return [_encode_one(given, field, options, artifact) for given, field in zip(inputs, fields, strict=True)]


def _encode_one(given: TextClassificationInput, field: str, options: Mapping[str, Any], artifact: Artifact) -> Row:
    assert artifact.encoder is not None
    pairs = None if given.text_pair is None else [given.text_pair]
    return artifact.encoder.encode([given.text], [field], options, pairs)[0]


def _decoding(top_k: int | None, options: dict[str, Any], artifact: Artifact) -> _Decoding:
    """Takes the options that shape scores and labels out of `options`; what stays is the tokenizer's."""
    config = artifact.pipeline.model.config
    options.pop("batch_size", None)
    every = options.pop("return_all_scores", getattr(config, "return_all_scores", False))
    saved = options.pop("top_k", None if every else 1)
    activation = options.pop("function_to_apply", None) or _default_activation(config)
    if str(activation).lower() not in _ACTIVATIONS:
        known = ", ".join(_ACTIVATIONS)
        raise InvalidInput.at("parameters.function_to_apply", f"{activation!r} is not one of {known}")
    if saved is not None and (isinstance(saved, bool) or not isinstance(saved, int) or saved < 1):
        raise InvalidInput.at("parameters.top_k", f"is {saved!r:.80}; it must be an integer of 1 or more, or null")
    if top_k is not None and top_k < 0:
        raise InvalidInput.at("top_k", f"is {top_k}; give 1 or more, or 0 for all labels")
    return _Decoding(str(activation).lower(), saved if top_k is None else top_k or None, config.id2label)


def _default_activation(config: Any) -> str:
    """As transformers' TextClassificationPipeline.postprocess chooses."""
    if config.problem_type == "regression":
        return "none"
    if config.problem_type == "multi_label_classification" or config.num_labels == 1:
        return "sigmoid"
    if config.problem_type == "single_label_classification" or config.num_labels > 1:
        return "softmax"
    return str(getattr(config, "function_to_apply", None) or "none")


def _probe(artifact: Artifact) -> Prepared:
    return prepare(ClassifyTextRequest((TextClassificationInput("A text to warm up with."),), {}), artifact)


FAMILY = Family(
    name="text-classification",
    service="TextClassificationService",
    tasks=frozenset({"text-classification", "sentiment-analysis"}),
    methods=(Method("ClassifyText", ClassifyTextRequest, ClassifyTextResponse, prepare),),
    probe=_probe,
)
