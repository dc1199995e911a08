"""text-generation: prompts to sequences, whole or as they come, with MLflow's template and instructional rules.

Every sequence of every prompt is kept and grouped by prompt; white space at the ends of a text is kept too, where
MLflow strips it. A stop text ends a sequence and is not part of it.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from savor.flavor import generation, sequences
from savor.flavor.artifact import Artifact
from savor.flavor.encoding import check_options
from savor.flavor.errors import InvalidInput, UnsupportedParameter, Violation
from savor.flavor.family import Family, Method
from savor.flavor.item import Array, Item, Prepared, Row, as_row, solo
from savor.flavor.sequences import FinishReason, Prompt, TextRules

_MAX_STOPS = 16
_ENCODING = ("truncation", "max_length", "add_special_tokens", "padding")


@dataclass(frozen=True)
class GenerateTextRequest:
    """Prompts to continue. `stop` texts end a sequence; `seed` makes sampling repeatable."""

    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    stop: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True)
class GeneratedSequence:
    """One continuation of a prompt."""

    text: str
    finish_reason: FinishReason
    token_count: int


@dataclass(frozen=True)
class TextGenerationResult:
    """The sequences of one prompt."""

    sequences: tuple[GeneratedSequence, ...]
    prompt_token_count: int


@dataclass(frozen=True)
class GenerateTextResponse:
    """One result for each input."""

    results: tuple[TextGenerationResult, ...]


@dataclass(frozen=True)
class TextGenerationDelta:
    """A piece of one sequence."""

    input: int
    sequence: int
    text: str
    finish_reason: FinishReason | None
    token_count: int
    prompt_token_count: int


@dataclass(frozen=True)
class StreamGenerateTextResponse:
    """The pieces that came up in one step."""

    results: tuple[TextGenerationDelta, ...]


@dataclass(frozen=True)
class _Call:
    """What turning rows into text needs: the call's rules and its prompts in input order."""

    rules: TextRules
    prompts: tuple[Prompt, ...]

    def decode(self, rows: Sequence[Row]) -> GenerateTextResponse:
        return GenerateTextResponse(tuple(map(self._result, self.prompts, rows)))

    def _result(self, prompt: Prompt, row: Row) -> TextGenerationResult:
        replies = [self.rules.reply(prompt, tokens, done=True) for tokens in generated(row)]
        sequences = (GeneratedSequence(r.text, r.finish_reason or FinishReason.LENGTH, r.token_count) for r in replies)
        return TextGenerationResult(tuple(sequences), len(prompt.tokens))

    def fold(self) -> "_Fold":
        return _Fold(self)


class _Fold:
    """The pieces of a call's sequences, each sent once."""

    def __init__(self, call: _Call) -> None:
        self._call = call
        self._sent: dict[tuple[int, int], str] = {}
        self._ended: set[tuple[int, int]] = set()

    def step(self, rows: Mapping[int, Row]) -> StreamGenerateTextResponse | None:
        deltas = [
            delta
            for index, row in rows.items()
            for number, tokens in enumerate(generated(row))
            if (delta := self._delta((index, number), tokens, done=bool(row["done"][number])))
        ]
        return StreamGenerateTextResponse(tuple(deltas)) if deltas else None

    def _delta(self, key: tuple[int, int], tokens: Array, *, done: bool) -> TextGenerationDelta | None:
        if key in self._ended:
            return None
        prompt = self._call.prompts[key[0]]
        reply = self._call.rules.reply(prompt, tokens, done=done)
        sent = self._sent.get(key, "")
        piece = reply.text[len(sent) :]
        if reply.finish_reason is not None:
            self._ended.add(key)
        elif not piece:
            return None
        self._sent[key] = reply.text
        return TextGenerationDelta(*key, piece, reply.finish_reason, reply.token_count, len(prompt.tokens))


def generated(row: Row) -> Sequence[Array]:
    """The generated tokens of each of an item's sequences, without padding."""
    return [tokens[:length] for tokens, length in zip(row["tokens"], row["lengths"], strict=True)]


def prepare(request: GenerateTextRequest, artifact: Artifact) -> Prepared:
    """Puts each prompt into the template and encodes it as transformers' TextGenerationPipeline does."""
    assert artifact.encoder is not None
    _check(request, artifact)
    options, warnings = artifact.options(request.parameters)
    pipe = artifact.pipeline
    rules = sequences.rules(options, artifact.encoder, artifact.saved.instance_type)
    texts = [artifact.fill(text) for text in request.inputs]
    with artifact.encoder.borrow():
        encoding, generating = _split(options, request.parameters, pipe)
        rows = [_encode(text, f"inputs[{i}]", encoding, pipe) for i, text in enumerate(texts)]
    generating = generation.settle(generating, pipe.generation_config, artifact.limits, request.parameters)
    rules = replace(rules, stop=request.stop, end_tokens=sequences.end_tokens(generating, pipe.generation_config))
    prompts = tuple(rules.prompt(text, row["input_ids"].tolist()) for text, row in zip(texts, rows, strict=True))
    plan = _Plan(generating, request.seed, artifact)
    items = tuple(
        replace(plan.item(f"inputs[{i}]", row), ends=rules.stops(prompt))
        for i, (row, prompt) in enumerate(zip(rows, prompts, strict=True))
    )
    call = _Call(rules, prompts)
    return Prepared(items, call.decode, warnings, call.fold)


def _check(request: GenerateTextRequest, artifact: Artifact) -> None:
    artifact.limits.check_inputs(request.inputs)
    for index, text in enumerate(request.inputs):
        artifact.limits.check_text(f"inputs[{index}]", text)
    if len(request.stop) > _MAX_STOPS:
        raise InvalidInput.at("stop", f"has {len(request.stop)} texts; at most {_MAX_STOPS} are taken")
    for index, text in enumerate(request.stop):
        if not text:
            raise InvalidInput.at(f"stop[{index}]", "is empty; every text would end at once")
        artifact.limits.check_text(f"stop[{index}]", text)


_OBJECTS = ("tokenizer_encode_kwargs", "continue_final_message")
"""Keywords of the pipeline that a request may not set: they reach past what is checked here."""


def _split(options: Mapping[str, Any], asked: Collection[str], pipe: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of encoding and those of generation, as the pipeline itself tells them apart."""
    options = {key: value for key, value in options.items() if key not in ("batch_size", "num_workers")}
    if refused := [key for key in _OBJECTS if key in asked and key in options]:
        raise UnsupportedParameter(*(Violation(f"parameters.{key}", "a request can't set it") for key in refused))
    for key in ("prefix", "stop_sequence"):
        if not isinstance(options.get(key, ""), str):
            raise InvalidInput.at(f"parameters.{key}", "must be a text")
    check_options({key: options[key] for key in _ENCODING if key in options})
    try:
        encoding, generating, shaping = pipe._sanitize_parameters(**options)
    except (TypeError, ValueError):
        raise UnsupportedParameter.at("parameters", "the pipeline does not take these together") from None
    if shaping:
        names = ", ".join(sorted(shaping))
        raise UnsupportedParameter.at("parameters", f"{names} changes what the pipeline returns, which is not served")
    generating = {**pipe._forward_params, **generating}
    # Lengths are counted from the end of the prompt, its prefix included: see counted_from_prompt.
    generating.pop("prefix_length", None)
    return {**pipe._preprocess_params, **encoding}, generating


def _encode(text: str, field: str, options: Mapping[str, Any], pipe: Any) -> Row:
    try:
        encoded = pipe.preprocess(text, **options)
    except (TypeError, ValueError, OverflowError, UnicodeError):
        # The tokenizer's own words name paths of this host.
        raise UnsupportedParameter.at("parameters", "the tokenizer can't encode the prompt with these") from None
    row = as_row({name: encoded[name][0] for name in ("input_ids", "attention_mask") if name in encoded})
    if len(row["input_ids"]):
        return row
    # transformers starts an empty prompt with the model's start token.
    start = pipe.generation_config.bos_token_id
    if start is None:
        raise InvalidInput.at(field, "is empty, and the model has no token to start with")
    return as_row({"input_ids": np.array([start]), "attention_mask": np.array([1])})


@dataclass(frozen=True)
class _Plan:
    """How a call's prompts are run."""

    options: Mapping[str, Any]
    seed: int | None
    artifact: Artifact

    def item(self, field: str, row: Row) -> Item:
        tokens = len(row["input_ids"])
        config = self.artifact.pipeline.generation_config
        options = generation.counted_from_prompt(self.options, config, tokens, self._room(field, tokens), field)
        run = generation.run(options, self.seed)
        alike: Hashable = (*row, tokens) if generation.sees_padding(self.options, config) else tuple(row)
        if self.seed is not None:
            alike = solo()
        return Item(row, tokens, run, alike)

    def _room(self, field: str, tokens: int) -> int:
        """How many tokens may follow the prompt: what the model's positions leave, and what the operator allows."""
        assert self.artifact.encoder is not None
        limit = self.artifact.encoder.max_tokens
        if limit is not None and tokens >= limit:
            advice = "shorten the prompt"
            raise InvalidInput.at(field, f"has {tokens} tokens; the model's context has room for {limit}: {advice}")
        allowed = self.artifact.limits.max_new_tokens
        return allowed if limit is None else min(limit - tokens, allowed)


def _probe(artifact: Artifact) -> Prepared:
    prepared = prepare(GenerateTextRequest(("Hello",), {}), artifact)
    run = generation.run({"max_new_tokens": 2, "do_sample": False})
    return replace(prepared, items=tuple(replace(item, run=run) for item in prepared.items))


FAMILY = Family(
    name="text-generation",
    service="TextGenerationService",
    tasks=frozenset({"text-generation"}),
    methods=(
        Method("GenerateText", GenerateTextRequest, GenerateTextResponse, prepare),
        Method("StreamGenerateText", GenerateTextRequest, StreamGenerateTextResponse, prepare, streams=True),
    ),
    probe=_probe,
)
