"""zero-shot-classification: texts to labels that the request brings, each with its score.

Each label makes a pair of the text and a sentence about it; what the model says of the pairs becomes scores as in
transformers' ZeroShotClassificationPipeline. A label is taken as it is: no list is made of one with commas.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

import numpy as np

from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.family import Family, Method
from savor.flavor.item import Array, Prepared, Row
from savor.flavor.labels import ScoredLabel
from savor.flavor.limits import Limits
from savor.flavor.options import Rule, check_values, is_boolean, is_text
from savor.flavor.probe import Probe
from savor.flavor.scores import softmax
from savor.flavor.tokens import classified_item, longest

_READINGS = 16
"""How many texts of the greatest length a request may have the server read, each label's turn counted."""


@dataclass(frozen=True)
class ClassifyZeroShotRequest:
    """Texts, and labels for all of them. None for the others means the model's own setting."""

    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    candidate_labels: tuple[str, ...] = ()
    hypothesis_template: str | None = None
    multi_label: bool | None = None


@dataclass(frozen=True)
class ZeroShotClassificationResult:
    """The labels of one text, best first."""

    labels: tuple[ScoredLabel, ...]


@dataclass(frozen=True)
class ClassifyZeroShotResponse:
    """One result for each input."""

    results: tuple[ZeroShotClassificationResult, ...]


@dataclass(frozen=True)
class _Decoding:
    """`entailment` is the model's label that says that a sentence follows from a text."""

    labels: tuple[str, ...]
    multi_label: bool
    entailment: int

    def __call__(self, rows: Sequence[Row]) -> ClassifyZeroShotResponse:
        logits = np.stack([row["output"] for row in rows])
        scores = self._scores(logits.reshape(-1, len(self.labels), logits.shape[-1]))
        return ClassifyZeroShotResponse(tuple(map(self._result, scores)))

    def _scores(self, logits: Array) -> Array:
        """Scores of shape (texts, labels). One label alone has none beside it to be compared with."""
        if not self.multi_label and len(self.labels) > 1:
            return softmax(logits[..., self.entailment])
        contradiction = -1 if self.entailment == 0 else 0
        return np.asarray(softmax(logits[..., [contradiction, self.entailment]])[..., 1])

    def _result(self, scores: Array) -> ZeroShotClassificationResult:
        best = np.argsort(scores)[::-1]
        return ZeroShotClassificationResult(tuple(ScoredLabel(self.labels[i], float(scores[i])) for i in best))


_RULES: Mapping[str, Rule] = {
    "hypothesis_template": (is_text, "a text"),
    "multi_label": (is_boolean, "true or false"),
    "multi_class": (is_boolean, "true or false"),
}


def prepare(request: ClassifyZeroShotRequest, artifact: Artifact) -> Prepared:
    """Encodes a pair for each text and label."""
    _check_texts(request, artifact.limits)
    options, warnings = artifact.options(request.parameters)
    check_values(options, _RULES)
    template = _template(request, options)
    _check_amount(request, template, artifact.limits)
    hypotheses = [template.format(label) for label in request.candidate_labels]
    _check_room(hypotheses, artifact)
    end = artifact.pipeline.model.config.eos_token_id
    items = tuple(classified_item(row, end) for row in _encode(request.inputs, hypotheses, artifact))
    decoding = _Decoding(request.candidate_labels, _multi_label(request, options), artifact.pipeline.entailment_id)
    return Prepared(items, decoding, (*warnings, *_ignored(request, options)))


def _check_texts(request: ClassifyZeroShotRequest, limits: Limits) -> None:
    limits.check_texts(request.inputs)
    if not request.candidate_labels:
        raise InvalidInput.at("candidate_labels", "is empty; give at least one")
    for index, text in enumerate(request.inputs):
        if not text:
            raise InvalidInput.at(f"inputs[{index}]", "is empty; there is nothing to classify")
    limits.check_text("hypothesis_template", request.hypothesis_template or "")
    for index, label in enumerate(request.candidate_labels):
        limits.check_text(f"candidate_labels[{index}]", label)


def _check_amount(request: ClassifyZeroShotRequest, template: str, limits: Limits) -> None:
    """Each text is read again for each label, and each label for each text: that is what there must be room for."""
    texts, labels = request.inputs, request.candidate_labels
    pairs, most_pairs = len(texts) * len(labels), limits.max_inputs
    if pairs > most_pairs:
        problem = f"has {len(labels)} entries for {len(texts)} inputs, {pairs} pairs; this server takes {most_pairs}"
        raise InvalidInput.at("candidate_labels", f"{problem}: send fewer at a time")
    characters = sum(map(len, texts)) * len(labels) + sum(map(len, labels)) * len(texts) + len(template) * pairs
    most = _READINGS * limits.max_text_chars
    if characters > most:
        problem = f"are read once for each label, {characters:,} characters in all; this server takes {most:,}"
        raise InvalidInput.at("inputs", f"{problem}: send fewer at a time")


def _template(request: ClassifyZeroShotRequest, options: Mapping[str, Any]) -> str:
    """The request's, else the model's own, else transformers'. Raises InvalidInput for one without exactly one {}."""
    given = request.hypothesis_template
    field = "parameters.hypothesis_template" if given is None else "hypothesis_template"
    template = str(options.get("hypothesis_template") or "This example is {}.") if given is None else given
    try:
        fields = [tuple(rest) for _, *rest in Formatter().parse(template) if rest[0] is not None]
    except ValueError:
        fields = []
    if fields not in ([("", "", None)], [("0", "", None)]):
        raise InvalidInput.at(field, f"is {template!r:.80}; it must have one {{}}, where the label goes")
    return template


def _check_room(hypotheses: Sequence[str], artifact: Artifact) -> None:
    """Raises InvalidInput for a label beside which no text can be read: only texts are cut, never labels."""
    assert artifact.encoder is not None
    with artifact.encoder.borrow() as tokenizer:
        limit = longest(tokenizer, artifact.encoder.max_tokens)
        added = tokenizer.num_special_tokens_to_add(pair=True)
        encoded = tokenizer(list(hypotheses), add_special_tokens=False, verbose=False)["input_ids"]
    for index, tokens in enumerate(encoded):
        if limit is not None and len(tokens) + added >= limit:
            problem = (
                f"makes a sentence of {len(tokens)} tokens; the model reads {limit}, the text's included: shorten it"
            )
            raise InvalidInput.at(f"candidate_labels[{index}]", problem)


def _encode(texts: Sequence[str], hypotheses: Sequence[str], artifact: Artifact) -> list[Row]:
    assert artifact.encoder is not None
    places = [index for index in range(len(texts)) for _ in hypotheses]
    fields = [f"inputs[{index}]" for index in places]
    repeated = [texts[index] for index in places]
    return artifact.encoder.encode(repeated, fields, {"truncation": "only_first"}, [*hypotheses] * len(texts))


def _multi_label(request: ClassifyZeroShotRequest, options: Mapping[str, Any]) -> bool:
    """The request's, else the option's, whose older name comes first in the pipeline too."""
    given = (request.multi_label, options.get("multi_class"), options.get("multi_label"))
    return next((value for value in given if value is not None), False)


def _ignored(request: ClassifyZeroShotRequest, options: Mapping[str, Any]) -> Iterator[str]:
    """The pipeline passes over options that it does not know; who asked for one should hear of it."""
    for name in request.parameters:
        if name in options and name not in _RULES:
            yield f"parameters.{name} was ignored: the pipeline takes {', '.join(_RULES)} only"


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    return prepare(ClassifyZeroShotRequest((probe.text,), {}, ("a label",)), artifact)


FAMILY = Family(
    name="zero-shot-classification",
    service="ZeroShotClassificationService",
    tasks=frozenset({"zero-shot-classification"}),
    methods=(Method("ClassifyZeroShot", ClassifyZeroShotRequest, ClassifyZeroShotResponse, prepare),),
    probe=_probe,
)
