"""fill-mask: texts with masked tokens to the likeliest tokens for each mask.

Every mask of every text is answered, with candidates as transformers' FillMaskPipeline chooses them. The prompt
template applies before masks are looked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from savor.flavor.artifact import Artifact
from savor.flavor.encoding import check_options
from savor.flavor.errors import InvalidInput, Violation
from savor.flavor.family import Family, Method
from savor.flavor.item import Array, Forward, Prepared, Row
from savor.flavor.options import Rule, check, is_integer, is_text, is_texts
from savor.flavor.probe import Probe
from savor.flavor.scores import softmax
from savor.flavor.tokens import item
from savor.flavor.vocabulary import single_tokens

_MOST_CANDIDATES = 65_536
"""Candidates of a whole reply: each holds its text anew."""


@dataclass(frozen=True)
class FillMaskRequest:
    """Texts with masks. No `targets` means the model's own setting, as does None for `top_k`."""

    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    top_k: int | None = None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class MaskCandidate:
    """A token for a mask, and the text with it."""

    token: str
    token_id: int
    score: float
    sequence: str


@dataclass(frozen=True)
class FilledMask:
    """The candidates of one mask, best first."""

    candidates: tuple[MaskCandidate, ...]


@dataclass(frozen=True)
class FillMaskResult:
    """The masks of one text, in its order."""

    masks: tuple[FilledMask, ...]


@dataclass(frozen=True)
class FillMaskResponse:
    """One result for each input."""

    results: tuple[FillMaskResult, ...]


@dataclass(frozen=True)
class _Decoding:
    """`texts` are the tokens of each text, `targets` the ids of the only tokens that are candidates, None for all."""

    artifact: Artifact
    texts: tuple[Array, ...]
    top_k: int
    targets: Array | None

    def __call__(self, rows: Sequence[Row]) -> FillMaskResponse:
        pairs = zip(self.texts, rows, strict=True)
        return FillMaskResponse(tuple(self._result(tokens, row["output"]) for tokens, row in pairs))

    def _result(self, tokens: Array, logits: Array) -> FillMaskResult:
        places = _masks(tokens, self.artifact)
        scores = softmax(logits[places])
        only = len(places) == 1
        return FillMaskResult(tuple(self._mask(tokens, *each, only) for each in zip(places, scores, strict=True)))

    def _mask(self, tokens: Array, place: int, scores: Array, only: bool) -> FilledMask:
        assert self.artifact.encoder is not None
        ids = self._best(scores)
        filled = np.tile(tokens, (len(ids), 1))
        filled[:, place] = ids
        with self.artifact.encoder.borrow() as tokenizer:
            # As the pipeline: padding is never shown, special tokens only beside masks that are still open.
            shown = [row[row != tokenizer.pad_token_id].tolist() for row in filled]
            sequences = tokenizer.batch_decode(shown, skip_special_tokens=only)
            words = tokenizer.batch_decode(ids[:, None].tolist())
        return FilledMask(tuple(map(MaskCandidate, words, ids.tolist(), scores[ids].tolist(), sequences)))

    def _best(self, scores: Array) -> Array:
        """The ids of the best candidates, best first."""
        ids = np.arange(len(scores)) if self.targets is None else self.targets
        count = min(self.top_k, len(ids))
        best = ids[np.argpartition(-scores[ids], count - 1)[:count]]
        return np.asarray(best[np.argsort(-scores[best], kind="stable")])


def _masks(tokens: Array, artifact: Artifact) -> Array:
    """Where the masks are among a text's tokens."""
    return np.flatnonzero(tokens == artifact.pipeline.tokenizer.mask_token_id)


_RULES: Mapping[str, Rule] = {
    "top_k": (is_integer(1), "an integer of 1 or more"),
    "targets": (lambda value: is_text(value) or (is_texts(value) and len(value) > 0), "a text, or a list of texts"),
    "tokenizer_kwargs": (lambda value: isinstance(value, Mapping), "values by name"),
}


def prepare(request: FillMaskRequest, artifact: Artifact) -> Prepared:
    """Encodes each text in the model's template and finds its masks."""
    artifact.limits.check_texts(request.inputs)
    options, warnings = artifact.options(request.parameters)
    check(options, _RULES)
    top_k = _top_k(request, options)
    targets, changed = _targets(request, options, artifact)
    rows = _encode(request.inputs, options.get("tokenizer_kwargs") or {}, artifact)
    texts = tuple(row["input_ids"] for row in rows)
    _check_masks(texts, top_k, artifact)
    items = tuple(item(row, Forward(per_token=True)) for row in rows)
    return Prepared(items, _Decoding(artifact, texts, top_k, targets), (*warnings, *changed))


def _top_k(request: FillMaskRequest, options: Mapping[str, Any]) -> int:
    if request.top_k is not None and request.top_k < 1:
        raise InvalidInput.at("top_k", f"is {request.top_k}; give 1 or more")
    return request.top_k or options.get("top_k") or 5


def _targets(
    request: FillMaskRequest, options: Mapping[str, Any], artifact: Artifact
) -> tuple[Array | None, tuple[str, ...]]:
    """The ids of the targets, None for all tokens, and warnings of what is no token."""
    saved = options.get("targets")
    words = request.targets or ((saved,) if isinstance(saved, str) else saved)
    if words is None:
        return None, ()
    assert artifact.encoder is not None
    field = "targets" if request.targets else "parameters.targets"
    for index, word in enumerate(words):
        artifact.limits.check_text(f"{field}[{index}]", word)
    return single_tokens(words, field, artifact.encoder)


def _encode(inputs: Sequence[str], options: Mapping[str, Any], artifact: Artifact) -> list[Row]:
    assert artifact.encoder is not None
    fields = [f"inputs[{index}]" for index in range(len(inputs))]
    try:
        check_options(options)
        return artifact.encoder.encode([artifact.fill(text) for text in inputs], fields, options)
    except InvalidInput as error:
        raise type(error)(*map(_within_tokenizer_kwargs, error.violations)) from None


def _within_tokenizer_kwargs(violation: Violation) -> Violation:
    """What is said of a tokenizer's option, said of where this pipeline takes it."""
    field, problem = (
        text.replace("parameters.", "parameters.tokenizer_kwargs.") for text in (violation.field, violation.problem)
    )
    return Violation(field, problem)


def _check_masks(texts: Sequence[Array], top_k: int, artifact: Artifact) -> None:
    counts = [len(_masks(tokens, artifact)) for tokens in texts]
    for index, count in enumerate(counts):
        if not count:
            mask = artifact.pipeline.tokenizer.mask_token
            raise InvalidInput.at(f"inputs[{index}]", f"has no mask that the model reads: write {mask} in it")
    if sum(counts) * top_k > _MOST_CANDIDATES:
        problem = f"is {top_k} for {sum(counts)} masks; this server gives {_MOST_CANDIDATES:,} candidates at a time"
        raise InvalidInput.at("top_k", problem)


def _probe(artifact: Artifact, probe: Probe = Probe()) -> Prepared:
    text = f"{artifact.pipeline.tokenizer.mask_token} {probe.text}"
    return prepare(FillMaskRequest((text,), {}, top_k=1), artifact)


FAMILY = Family(
    name="fill-mask",
    service="FillMaskService",
    tasks=frozenset({"fill-mask"}),
    methods=(Method("FillMask", FillMaskRequest, FillMaskResponse, prepare),),
    probe=_probe,
)
