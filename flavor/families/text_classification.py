"""text-classification and sentiment-analysis: texts or pairs of texts to labels with scores.

A text is text: it is never evaluated as a literal, and a pair is a field of its own. Scores follow transformers'
TextClassificationPipeline; MLflow's default of one label holds unless the request or the model says otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from savor.flavor import labels
from savor.flavor.artifact import Artifact
from savor.flavor.family import Family, Method
from savor.flavor.item import Prepared, Row
from savor.flavor.labels import Labelling, ScoredLabel
from savor.flavor.options import check_values
from savor.flavor.probe import Probe
from savor.flavor.tokens import classified_item


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
class TextClassificationResult:
    """The labels of one text, best first."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyTextResponse:
    """One result for each input."""

    results: tuple[TextClassificationResult, ...]


@dataclass(frozen=True)
class _Decoding:
    labelling: Labelling

    def __call__(self, rows: Sequence[Row]) -> ClassifyTextResponse:
        return ClassifyTextResponse(tuple(TextClassificationResult(self.labelling(row["output"])) for row in rows))


def prepare(request: ClassifyTextRequest, artifact: Artifact) -> Prepared:
    """Encodes each text, alone or with its pair."""
    artifact.limits.check_inputs(request.inputs)
    options, warnings = artifact.options(request.parameters)
    decoding = _Decoding(_labelling(request.top_k, options, artifact))
    rows = _encode(request.inputs, options, artifact)
    end = artifact.pipeline.model.config.eos_token_id
    items = tuple(classified_item(row, end) for row in rows)
    return Prepared(items, decoding, warnings)


def _encode(inputs: Sequence[TextClassificationInput], options: Mapping[str, Any], artifact: Artifact) -> list[Row]:
    assert artifact.encoder is not None
    for index, given in enumerate(inputs):
        artifact.limits.check_text(f"inputs[{index}].text", given.text)
        artifact.limits.check_text(f"inputs[{index}].text_pair", given.text_pair or "")
    fields = [f"inputs[{index}].text" for index in range(len(inputs))]
    texts = [given.text for given in inputs]
    # An empty second text is none to transformers' pipeline.
    paired = {bool(given.text_pair) for given in inputs}
    if paired == {False}:
        return artifact.encoder.encode(texts, fields, options)
    if paired == {True}:
        return artifact.encoder.encode(texts, fields, options, [given.text_pair or "" for given in inputs])
    # A tokenizer takes pairs for all of its texts or for none.
    return [_encode_one(given, field, options, artifact) for given, field in zip(inputs, fields, strict=True)]


def _encode_one(given: TextClassificationInput, field: str, options: Mapping[str, Any], artifact: Artifact) -> Row:
    assert artifact.encoder is not None
    pairs = [given.text_pair] if given.text_pair else None
    return artifact.encoder.encode([given.text], [field], options, pairs)[0]


def _labelling(top_k: int | None, options: dict[str, Any], artifact: Artifact) -> Labelling:
    """Takes the options that shape scores and labels out of `options`; what stays is the tokenizer's."""
    default = artifact.once(_default)
    options.pop("batch_size", None)
    every = options.pop("return_all_scores", default.top_k is None)
    # A null asks for all labels here, where the pipelines of sounds and images have it for no value.
    every = every or options.get("top_k", 1) is None
    own = {name: options.pop(name) for name in labels.RULES if name in options}
    check_values(own, labels.RULES)
    return labels.labelling(top_k, own, replace(default, top_k=None if every else 1))


def _default(artifact: Artifact) -> Labelling:
    """What the model's configuration says."""
    config = artifact.pipeline.model.config
    # The pipelines of sounds and images know no regression.
    function = "none" if config.problem_type == "regression" else labels.default_function(config)
    return Labelling(function, None if getattr(config, "return_all_scores", False) else 1, config.id2label)


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    return prepare(ClassifyTextRequest((TextClassificationInput(probe.text),), {}), artifact)


FAMILY = Family(
    name="text-classification",
    service="TextClassificationService",
    tasks=frozenset({"text-classification", "sentiment-analysis"}),
    methods=(Method("ClassifyText", ClassifyTextRequest, ClassifyTextResponse, prepare),),
    probe=_probe,
)
