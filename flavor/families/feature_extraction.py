"""feature-extraction: texts to the model's token vectors, or to one pooled vector each.

Every input is answered, where MLflow answers the first only. The prompt template applies. Pooling, normalisation and
the cut follow the sentence-transformers settings that a model may carry.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from savor.flavor import payload, sentence
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.family import Family, Method
from savor.flavor.item import Array, Forward, Item, Prepared, Row
from savor.flavor.probe import Probe
from savor.flavor.sentence import Pooling, SentenceSettings
from savor.flavor.tokens import item


@dataclass(frozen=True)
class ExtractFeaturesRequest:
    """Texts whose token vectors are wanted."""

    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class FeatureExtractionResult:
    """The vectors of one text: float32 of shape (tokens, hidden), special tokens included."""

    features: Array


@dataclass(frozen=True)
class ExtractFeaturesResponse:
    """One result for each input."""

    results: tuple[FeatureExtractionResult, ...]


@dataclass(frozen=True)
class EmbedTextRequest:
    """Texts to embed. None for `pooling` and `normalize` means the model's own settings."""

    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    pooling: Pooling | None = None
    normalize: bool | None = None


@dataclass(frozen=True)
class TextEmbedding:
    """The vector of one text: float32 of shape (hidden,)."""

    values: Array
    token_count: int


@dataclass(frozen=True)
class EmbedTextResponse:
    """One result for each input."""

    results: tuple[TextEmbedding, ...]


@dataclass(frozen=True)
class _Embedding:
    pooling: Pooling
    normalize: bool
    masks: tuple[Array, ...]

    def __call__(self, rows: Sequence[Row]) -> EmbedTextResponse:
        results = (self._result(row["output"], mask) for row, mask in zip(rows, self.masks, strict=True))
        return EmbedTextResponse(tuple(results))

    def _result(self, features: Array, mask: Array) -> TextEmbedding:
        vector = _pool(features[mask].astype(np.float32), self.pooling)
        if self.normalize:
            # As torch.nn.functional.normalize, which sentence-transformers uses.
            vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        return TextEmbedding(vector, int(mask.sum()))


def _pool(features: Array, pooling: Pooling) -> Array:
    match pooling:
        case Pooling.MEAN:
            return np.asarray(features.mean(axis=0))
        case Pooling.CLS:
            return np.asarray(features[0])
        case Pooling.LAST:
            return np.asarray(features[-1])


def prepare_features(request: ExtractFeaturesRequest, artifact: Artifact) -> Prepared:
    """Encodes each text in the model's template."""
    options, warnings = _tokenizer_options(request.parameters, artifact)
    return Prepared(_encode(request.inputs, options, artifact), _decode_features, warnings)


def _decode_features(rows: Sequence[Row]) -> ExtractFeaturesResponse:
    return ExtractFeaturesResponse(
        tuple(FeatureExtractionResult(row["output"].astype(np.float32, copy=False)) for row in rows)
    )


def prepare_embedding(request: EmbedTextRequest, artifact: Artifact) -> Prepared:
    """Encodes each text in the model's template, cut where the model's sentence-transformers settings say so."""
    settings = _settings(artifact)
    if settings.unserved and request.pooling is None:
        problem = f"the model's own settings, {settings.unserved}, are not served: choose a pooling"
        raise InvalidInput.at("pooling", problem)
    options, warnings = _tokenizer_options(request.parameters, artifact)
    if settings.max_seq_length is not None:
        options = {"truncation": True, "max_length": settings.max_seq_length, **options}
    items = _encode(request.inputs, options, artifact)
    pooling = request.pooling or settings.pooling
    normalize = settings.normalize if request.normalize is None else request.normalize
    masks = tuple(_attended(item) for item in items)
    return Prepared(items, _Embedding(pooling, normalize, masks), warnings)


def _settings(artifact: Artifact) -> SentenceSettings:
    """How the model pools; for llm/v1/embeddings MLflow takes the first token's vector as it is, whatever it says."""
    if artifact.saved.inference_task == payload.EMBEDDINGS:
        return SentenceSettings(pooling=Pooling.CLS, normalize=False)
    return sentence.read(artifact.saved.weights)


def _attended(item: Item) -> Array:
    """Which positions hold tokens: all, unless the options pad to a fixed length."""
    mask = item.arrays.get("attention_mask")
    return np.ones(item.length, bool) if mask is None else mask.astype(bool)


def _tokenizer_options(parameters: Mapping[str, Any], artifact: Artifact) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The options that reach the tokenizer; the pipeline ignores keys that it does not know."""
    options, warnings = artifact.options(parameters)
    tokenizer_options = options.get("tokenize_kwargs") or {}
    if not isinstance(tokenizer_options, Mapping):
        raise InvalidInput.at("parameters.tokenize_kwargs", "must hold values by name")
    truncation = options.get("truncation")
    if truncation is not None and "truncation" in tokenizer_options:
        raise InvalidInput.at("parameters.truncation", "is given twice: here and in tokenize_kwargs")
    return {**tokenizer_options, **({} if truncation is None else {"truncation": truncation})}, warnings


def _encode(inputs: Sequence[str], options: Mapping[str, Any], artifact: Artifact) -> tuple[Item, ...]:
    assert artifact.encoder is not None
    artifact.limits.check_texts(inputs)
    fields = [f"inputs[{index}]" for index in range(len(inputs))]
    rows = artifact.encoder.encode([artifact.fill(text) for text in inputs], fields, options)
    return tuple(item(row, Forward(per_token=True)) for row in rows)


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    return prepare_features(ExtractFeaturesRequest((probe.text,), {}), artifact)


FAMILY = Family(
    name="feature-extraction",
    service="FeatureExtractionService",
    tasks=frozenset({"feature-extraction"}),
    methods=(
        Method("ExtractFeatures", ExtractFeaturesRequest, ExtractFeaturesResponse, prepare_features),
        Method("EmbedText", EmbedTextRequest, EmbedTextResponse, prepare_embedding),
    ),
    probe=_probe,
)
