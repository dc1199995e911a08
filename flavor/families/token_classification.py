"""token-classification and ner: texts to labelled tokens, or to entities that tokens are joined to.

Joining is transformers' own (TokenClassificationPipeline's steps after the model); a text in which nothing is found
gets an empty list. What is kept of a text for that never goes with its items.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any

import numpy as np

from savor.flavor import token_windows
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.family import Family, Method
from savor.flavor.item import Array, Forward, Prepared, Row
from savor.flavor.options import Rule, check, is_boolean, is_integer, is_texts
from savor.flavor.probe import Probe
from savor.flavor.scores import softmax
from savor.flavor.token_windows import Reading, TokenWindow
from savor.flavor.tokens import item


class AggregationStrategy(Enum):
    """How tokens are joined to entities; the values are transformers'."""

    NONE = "none"
    SIMPLE = "simple"
    FIRST = "first"
    AVERAGE = "average"
    MAX = "max"


@dataclass(frozen=True)
class ClassifyTokensRequest:
    """Texts whose entities are wanted. None for `aggregation_strategy` means the model's own setting."""

    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    aggregation_strategy: AggregationStrategy | None = None


@dataclass(frozen=True)
class TokenEntity:
    """A labelled piece of a text. `start` and `end` are Unicode code points; None where they are not known."""

    label: str
    score: float
    word: str
    start: int | None = None
    end: int | None = None
    token_index: int | None = None


@dataclass(frozen=True)
class TokenClassificationResult:
    """The entities of one text, in its order."""

    entities: tuple[TokenEntity, ...]


@dataclass(frozen=True)
class ClassifyTokensResponse:
    """One result for each input."""

    results: tuple[TokenClassificationResult, ...]


_Entity = Mapping[str, Any]
"""An entity as the pipeline gives it."""


@dataclass(frozen=True)
class _Decoding:
    artifact: Artifact
    texts: tuple[str, ...]
    readings: tuple[Reading, ...]
    strategy: AggregationStrategy
    ignored: frozenset[str]

    def __call__(self, rows: Sequence[Row]) -> ClassifyTokensResponse:
        assert self.artifact.encoder is not None
        remaining = iter(rows)
        with self.artifact.encoder.borrow():
            results = tuple(
                self._result(text, reading.windows, list(islice(remaining, len(reading.windows))))
                for text, reading in zip(self.texts, self.readings, strict=True)
            )
        return ClassifyTokensResponse(results)

    def _result(self, text: str, pieces: Sequence[TokenWindow], rows: Sequence[Row]) -> TokenClassificationResult:
        find = self._tokens if self.strategy is AggregationStrategy.NONE else self._groups
        found = [
            entity
            for window, row in zip(pieces, rows, strict=True)
            for entity in find(text, window, softmax(row["output"]))
        ]
        if len(pieces) == 1:
            return TokenClassificationResult(tuple(_entity(each, each.get("index")) for each in found))
        # A token's place in a window is none in the text.
        joined = self.artifact.pipeline.aggregate_overlapping_entities(found)
        return TokenClassificationResult(tuple(_entity(each, None) for each in joined))

    def _tokens(self, text: str, window: TokenWindow, scores: Array) -> Iterator[_Entity]:
        """The tokens whose label counts: as the pipeline's steps, but arrays until few are left."""
        tokenizer, labels = self.artifact.pipeline.tokenizer, self.artifact.pipeline.model.config.id2label
        best = scores.argmax(axis=-1)
        counts = np.array([labels[label] not in self.ignored for label in range(scores.shape[-1])])
        kept = np.flatnonzero(counts[best] & ~window.special)
        ids = window.row["input_ids"][kept].tolist()
        spans = [(None, None)] * len(kept) if window.offsets is None else window.offsets[kept].tolist()
        words = tokenizer.convert_ids_to_tokens(ids)
        for index, token, word, (start, end) in zip(kept.tolist(), ids, words, spans, strict=True):
            unknown = token == tokenizer.unk_token_id and start is not None
            yield {
                "entity": labels[int(best[index])],
                "score": scores[index, best[index]],
                "index": index,
                "word": text[start:end] if unknown else word,
                "start": start,
                "end": end,
            }

    def _groups(self, text: str, window: TokenWindow, scores: Array) -> Iterator[_Entity]:
        """The tokens joined by the pipeline's own steps."""
        from transformers.pipelines.token_classification import AggregationStrategy as Strategy

        strategy, ids = Strategy(self.strategy.value), window.row["input_ids"]
        offsets = None if window.offsets is None else window.offsets.tolist()
        pipeline = self.artifact.pipeline
        tokens = pipeline.gather_pre_entities(text, ids, scores, offsets, window.special, strategy)
        return (each for each in pipeline.aggregate(tokens, strategy) if each["entity_group"] not in self.ignored)


def _entity(found: _Entity, index: int | None) -> TokenEntity:
    label = found["entity_group"] if "entity_group" in found else found["entity"]
    return TokenEntity(label, float(found["score"]), found["word"], found["start"], found["end"], index)


_RULES: Mapping[str, Rule] = {
    "aggregation_strategy": (
        lambda value: isinstance(value, str) and value.upper() in AggregationStrategy.__members__,
        f"one of {', '.join(strategy.value for strategy in AggregationStrategy)}",
    ),
    "ignore_labels": (is_texts, "a list of labels"),
    "stride": (is_integer(0), "an integer of 0 or more"),
    "grouped_entities": (is_boolean, "true or false"),
    "ignore_subwords": (is_boolean, "true or false"),
    "is_split_into_words": (lambda value: value is False, "false: each input is one text, which the tokenizer splits"),
}


def prepare(request: ClassifyTokensRequest, artifact: Artifact) -> Prepared:
    """Encodes each text, cut into windows where there is a stride."""
    assert artifact.encoder is not None
    artifact.limits.check_texts(request.inputs)
    options, warnings = artifact.options(request.parameters)
    check(options, _RULES)
    strategy, stride = _strategy(request, options), options.get("stride")
    _check_tokenizer(strategy, stride, request, artifact.pipeline.tokenizer)
    readings = token_windows.read(request.inputs, artifact.encoder, stride, artifact.limits.max_inputs)
    items = tuple(item(window.row, Forward(per_token=True)) for reading in readings for window in reading.windows)
    ignored = options.get("ignore_labels")
    decoding = _Decoding(
        artifact,
        request.inputs,
        readings,
        strategy or AggregationStrategy.NONE,
        frozenset(["O"] if ignored is None else ignored),
    )
    return Prepared(items, decoding, (*warnings, *_cut_warnings(readings)))


def _strategy(request: ClassifyTokensRequest, options: Mapping[str, Any]) -> AggregationStrategy | None:
    """The request's, else the option's; the pipeline's older options come before its newer one."""
    if request.aggregation_strategy is not None:
        return request.aggregation_strategy
    grouped, whole_words = options.get("grouped_entities"), options.get("ignore_subwords")
    if grouped:
        return AggregationStrategy.FIRST if whole_words else AggregationStrategy.SIMPLE
    if grouped is not None or whole_words is not None:
        return AggregationStrategy.NONE
    named = options.get("aggregation_strategy")
    return None if named is None else AggregationStrategy[named.upper()]


_BY_WORD = frozenset({AggregationStrategy.FIRST, AggregationStrategy.AVERAGE, AggregationStrategy.MAX})


def _check_tokenizer(
    strategy: AggregationStrategy | None, stride: int | None, request: ClassifyTokensRequest, tokenizer: Any
) -> None:
    """Raises InvalidInput for what the pipeline can't do with this tokenizer."""
    field = "parameters.aggregation_strategy" if request.aggregation_strategy is None else "aggregation_strategy"
    if strategy in _BY_WORD and not tokenizer.is_fast:
        raise InvalidInput.at(field, "the model's tokenizer is a slow one and knows no words: choose simple or none")
    if stride is not None and not tokenizer.is_fast:
        raise InvalidInput.at("parameters.stride", "the model's tokenizer is a slow one and makes no windows")
    if stride is not None and strategy is AggregationStrategy.NONE:
        raise InvalidInput.at(field, "with parameters.stride tokens must be joined: choose another than none")


def _cut_warnings(readings: Sequence[Reading]) -> Iterator[str]:
    cut = [index for index, reading in enumerate(readings) if not reading.whole]
    if cut:
        places, count = ", ".join(f"inputs[{index}]" for index in cut), len(readings[cut[0]].windows[0].special)
        yield f"{places}: the model reads {count} tokens, the rest was left out; parameters.stride has all of it read"


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    return prepare(ClassifyTokensRequest((probe.text,), {}), artifact)


FAMILY = Family(
    name="token-classification",
    service="TokenClassificationService",
    tasks=frozenset({"token-classification", "ner"}),
    methods=(Method("ClassifyTokens", ClassifyTokensRequest, ClassifyTokensResponse, prepare),),
    probe=_probe,
)
