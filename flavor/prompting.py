"""Texts to items that generate: what the families that write have in common, for decoders and for encoder-decoders.

A decoder goes on where its prompt ends, so lengths count from there and the prompt is padded in front. An
encoder-decoder reads its text apart and writes from a start token of its own.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from savor.flavor import generation, sequences
from savor.flavor.artifact import Artifact
from savor.flavor.encoding import check_options
from savor.flavor.errors import InvalidInput, UnsupportedParameter, Violation
from savor.flavor.item import Item, Row, as_row, solo
from savor.flavor.options import EXECUTION, is_texts
from savor.flavor.replies import Replies
from savor.flavor.sequences import Prompt, TextRules

_MAX_STOPS = 16
_ENCODING = ("truncation", "max_length", "add_special_tokens", "padding")
_OBJECTS = ("tokenizer_encode_kwargs", "continue_final_message")
"""Keywords of the pipeline that a request may not set: they reach past what is checked here."""
_TEXTS = ("prefix", "stop_sequence", "src_lang", "tgt_lang")


class Asking(Protocol):
    """What every request that generates says beside its inputs."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Options of the pipeline."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts that end a sequence."""

    @property
    def seed(self) -> int | None:
        """Makes sampling repeatable."""


@dataclass(frozen=True)
class Written:
    """Items that generate, and what makes texts of their rows."""

    items: tuple[Item, ...]
    replies: Replies


def _stops(request: Asking, options: dict[str, Any], artifact: Artifact) -> tuple[str, ...]:
    """The request's stop texts, else those that a model for an llm/v1 task was saved with, taken out of `options`.

    Raises InvalidInput for texts that can't be used.
    """
    saved = options.pop("stop", ()) if artifact.saved.inference_task else ()
    if request.stop:
        return _checked(request.stop, "stop", artifact)
    stops = [saved] if isinstance(saved, str) else saved
    if not is_texts(stops):
        raise InvalidInput.at("parameters.stop", "must be a text, or a list of texts")
    return _checked(stops, "parameters.stop", artifact)


def _checked(stops: Sequence[str], field: str, artifact: Artifact) -> tuple[str, ...]:
    if len(stops) > _MAX_STOPS:
        raise InvalidInput.at(field, f"has {len(stops)} texts; at most {_MAX_STOPS} are taken")
    for index, text in enumerate(stops):
        if not text:
            raise InvalidInput.at(f"{field}[{index}]", "is empty; every text would end at once")
        artifact.limits.check_text(f"{field}[{index}]", text)
    return tuple(stops)


def write(texts: Sequence[str], request: Asking, options: dict[str, Any], artifact: Artifact) -> Written:
    """Encodes texts, already in their template, as transformers' pipeline does.

    `options` are the call's merged ones. Raises InvalidInput or UnsupportedParameter with the fields at fault.
    """
    assert artifact.encoder is not None
    stops = _stops(request, options, artifact)
    pipe = artifact.pipeline
    way = _EncoderDecoder(artifact) if pipe.model.config.is_encoder_decoder else _Decoder(artifact)
    rules = way.rules(options)
    with artifact.encoder.borrow():
        encoding, generating = _split(options, request.parameters, pipe)
        encoded = [_encode(text, encoding, pipe) for text in texts]
    # A multilingual tokenizer says here which language the sequences are to be in.
    generating |= {key: int(value) for key, value in encoded[0].items() if key == "forced_bos_token_id"}
    rows = [way.row(each, f"inputs[{index}]") for index, each in enumerate(encoded)]
    generating = generation.settle(generating, pipe.generation_config, artifact.limits, request.parameters)
    rules = replace(rules, stop=stops, end_tokens=sequences.end_tokens(generating, pipe.generation_config))
    prompts = tuple(way.prompt(rules, text, row) for text, row in zip(texts, rows, strict=True))
    plan = _Plan(generating, request.seed, way)
    items = tuple(
        replace(plan.item(f"inputs[{index}]", row), ends=rules.stops(prompt))
        for index, (row, prompt) in enumerate(zip(rows, prompts, strict=True))
    )
    return Written(items, Replies(rules, prompts))


def written_item(field: str, row: Row, artifact: Artifact) -> Item:
    """An item of what an encoder-decoder reads, for a call without options: it writes by the model's own."""
    return _Plan({}, None, _EncoderDecoder(artifact)).item(field, row)


def _split(options: Mapping[str, Any], asked: Collection[str], pipe: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of encoding and those of generation, as the pipeline itself tells them apart."""
    options = {key: value for key, value in options.items() if key not in EXECUTION}
    if refused := [key for key in _OBJECTS if key in asked and key in options]:
        raise UnsupportedParameter(*(Violation(f"parameters.{key}", "a request can't set it") for key in refused))
    for key in _TEXTS:
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


def _encode(text: str, options: Mapping[str, Any], pipe: Any) -> Any:
    try:
        return pipe.preprocess(text, **options)
    except (TypeError, ValueError, KeyError, OverflowError, UnicodeError):
        # The tokenizer's own words name paths of this host.
        raise UnsupportedParameter.at("parameters", "the tokenizer can't encode the text with these") from None


def _row(encoded: Any) -> Row:
    return as_row({name: encoded[name][0] for name in ("input_ids", "attention_mask") if name in encoded})


@dataclass(frozen=True)
class _Decoder:
    """A model that goes on where its prompt ends."""

    artifact: Artifact

    def rules(self, options: dict[str, Any]) -> TextRules:
        assert self.artifact.encoder is not None
        return sequences.rules(options, self.artifact.encoder, self.artifact.saved.instance_type)

    def row(self, encoded: Any, field: str) -> Row:
        row = _row(encoded)
        if len(row["input_ids"]):
            return row
        # transformers starts an empty prompt with the model's start token.
        start = self.artifact.pipeline.generation_config.bos_token_id
        if start is None:
            raise InvalidInput.at(field, "is empty, and the model has no token to start with")
        return as_row({"input_ids": np.array([start]), "attention_mask": np.array([1])})

    def prompt(self, rules: TextRules, text: str, row: Row) -> Prompt:
        return rules.prompt(text, row["input_ids"].tolist())

    def start(self, row: Row) -> int:
        return len(row["input_ids"])

    def alike(self, options: Mapping[str, Any], row: Row) -> Hashable:
        sees_padding = generation.sees_padding(options, self.artifact.pipeline.generation_config)
        return (*row, len(row["input_ids"])) if sees_padding else tuple(row)


@dataclass(frozen=True)
class _EncoderDecoder:
    """A model that reads its text and writes from a start token of its own."""

    artifact: Artifact

    def rules(self, options: dict[str, Any]) -> TextRules:
        assert self.artifact.encoder is not None
        return sequences.encoder_decoder_rules(options, self.artifact.encoder)

    def row(self, encoded: Any, field: str) -> Row:
        assert self.artifact.encoder is not None
        row = _row(encoded)
        if not len(row["input_ids"]):
            raise InvalidInput.at(field, "is empty, and the model has nothing to read")
        self.artifact.encoder.check_length(field, len(row["input_ids"]))
        return row

    def prompt(self, rules: TextRules, text: str, row: Row) -> Prompt:
        return Prompt("", (), 0, len(row["input_ids"]))

    def start(self, row: Row) -> int:
        return 1

    def alike(self, options: Mapping[str, Any], row: Row) -> Hashable:
        return _Decoder(self.artifact).alike({k: v for k, v in options.items() if k.startswith("encoder_")}, row)


@dataclass(frozen=True)
class _Plan:
    """How a call's texts are run."""

    options: Mapping[str, Any]
    seed: int | None
    way: _Decoder | _EncoderDecoder

    def item(self, field: str, row: Row) -> Item:
        start, config = self.way.start(row), self.way.artifact.pipeline.generation_config
        options = generation.counted_from_prompt(self.options, config, start, self._room(field, start), field)
        alike = solo() if self.seed is not None else self.way.alike(self.options, row)
        return Item(row, len(row["input_ids"]), generation.run(options, self.seed), alike)

    def _room(self, field: str, start: int) -> int:
        """How many tokens may follow: what the model's positions leave, and what the operator allows."""
        artifact = self.way.artifact
        assert artifact.encoder is not None
        limit = artifact.encoder.max_tokens
        if limit is not None and start >= limit:
            advice = "shorten the prompt"
            raise InvalidInput.at(field, f"has {start} tokens; the model's context has room for {limit}: {advice}")
        allowed = artifact.limits.max_new_tokens
        return allowed if limit is None else min(limit - start, allowed)
