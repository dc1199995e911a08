"""The models of the parity tests: each tiny pipeline, saved in every way that MLflow has, once and then cached.

A way is a signature (none given, given, inferred from an example) with a model_config, params or a prompt template.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mlflow.models import infer_signature
from transformers import Pipeline

from tests import tiny_models, tiny_pipelines
from tests.parity.media import noise, picture, recording
from tests.parity.oracle import provide_ffmpeg


@dataclass(frozen=True)
class Variant:
    """A pipeline saved in one way, for the door that asks it: `arguments` are those of MLflow's `save_model`."""

    door: str
    way: str
    make: Callable[[], Pipeline]
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name as a served model."""
        return f"{self.door}-{self.way}"


@dataclass(frozen=True)
class Kind:
    """A pipeline with all that its variants are saved with.

    `example` is an input as MLflow takes it, `params` what a signature takes with its defaults. The template is None
    where MLflow takes none. `needed` are options without which the pipeline would go on too long.
    """

    door: str
    make: Callable[[], Pipeline]
    example: Any
    config: Mapping[str, Any]
    params: Mapping[str, Any]
    template: str | None = None
    needed: Mapping[str, Any] = field(default_factory=dict)


TABLE = {"city": ["rome", "oslo"], "people": ["3", "1"]}
_QUESTION = {"question": "who grants?", "context": "the Licensor grants You a license"}
_GREEDY = {"max_new_tokens": 4, "do_sample": False, "num_beams": 1}
_SHORT = {"max_new_tokens": 4, "num_beams": 1}
_GENERATION = {**_GREEDY, "num_return_sequences": 1, "repetition_penalty": 1.0, "min_new_tokens": 0}
_PAYLOAD = {"max_tokens": 5, "do_sample": False, "temperature": None}
_ZERO_SHOT = {"sequences": "a text", "candidate_labels": "law, food", "hypothesis_template": "It is {}."}


def _text2text(door: str, task: str, template: str | None) -> Kind:
    make = partial(tiny_pipelines.text2text, task)
    config = {**_GREEDY, "max_new_tokens": 5}
    return Kind(door, make, "a text", config, _GENERATION, template, _GREEDY)


KINDS = (
    Kind(
        "text-classification",
        tiny_pipelines.classifier,
        "a text",
        {"function_to_apply": "sigmoid"},
        {"top_k": 2, "function_to_apply": "softmax"},
    ),
    Kind(
        "token-classification",
        tiny_pipelines.tagger,
        "the Licensor grants",
        {"aggregation_strategy": "first", "ignore_labels": ["B-LOC"]},
        {"aggregation_strategy": "simple", "ignore_labels": ["O"]},
    ),
    Kind(
        "fill-mask",
        tiny_pipelines.masker,
        "the [MASK] of",
        {"top_k": 2},
        {"top_k": 3, "targets": ["the", "of", "a"]},
        "It reads: {prompt}",
    ),
    Kind(
        "feature-extraction",
        tiny_pipelines.encoder,
        "a text",
        {"truncation": True},
        {"truncation": True},
        "{{x}} {prompt}",
    ),
    Kind(
        "zero-shot-classification",
        tiny_pipelines.entailer,
        _ZERO_SHOT,
        {"multi_label": True},
        {"multi_label": False},
    ),
    Kind(
        "question-answering",
        tiny_pipelines.reader,
        _QUESTION,
        {"max_answer_len": 3, "align_to_words": False},
        {"top_k": 1, "max_answer_len": 15, "handle_impossible_answer": False, "doc_stride": 8, "max_seq_len": 64},
    ),
    Kind(
        "table-question-answering",
        tiny_pipelines.table_reader,
        {"query": "how many?", "table": json.dumps(TABLE)},
        {"truncation": True},
        {"truncation": False},
    ),
    Kind(
        "text-generation",
        tiny_pipelines.generator,
        "The work",
        {**_GREEDY, "max_new_tokens": 6, "collapse_whitespace": True},
        {**_GENERATION, "return_full_text": True, "collapse_whitespace": False, "include_prompt": True},
        "Q: {prompt} A:",
        _GREEDY,
    ),
    _text2text("text2text-generation", "text2text-generation", "say: {prompt}"),
    _text2text("summarization", "summarization", "sum {prompt} up"),
    _text2text("translation", "translation_en_to_fr", None),
    Kind("speech-recognition", tiny_pipelines.ctc_recognizer, recording(), {}, {"return_timestamps": "word"}),
    Kind(
        "whisper",
        tiny_pipelines.whisper,
        recording(),
        {"return_timestamps": True, "generate_kwargs": _SHORT},
        {"return_timestamps": False, "generate_kwargs": {**_SHORT, "language": "de", "task": "transcribe"}},
        needed={"generate_kwargs": _SHORT},
    ),
    Kind("audio-classification", tiny_pipelines.audio_classifier, recording(), {"top_k": 2}, {"top_k": 3}),
    Kind(
        "image-classification",
        tiny_pipelines.image_classifier,
        b64encode(picture()).decode(),
        {"top_k": 2},
        {"top_k": 3},
    ),
)
"""Those of which all ways are saved."""


def _ways(kind: Kind) -> Iterator[Variant]:
    params, needed, config = {**kind.params}, {**kind.needed}, {**kind.config}
    signature = infer_signature(kind.example, None, params)
    ways: dict[str, dict[str, Any]] = {
        "default": {"model_config": needed},
        "config": {"model_config": config},
        "explicit": {"signature": signature},
        "explicit-config": {"signature": signature, "model_config": config},
        "inferred": {"input_example": kind.example, "model_config": needed},
        "inferred-params": {"input_example": (kind.example, params), "model_config": config},
    }
    if kind.template is not None:
        plain = {way: arguments for way, arguments in ways.items() if way != "explicit"}
        ways |= {f"{way}-template": {**each, "prompt_template": kind.template} for way, each in plain.items()}
    yield from (Variant(kind.door, way, kind.make, arguments) for way, arguments in ways.items())


def _settled() -> Pipeline:
    """A generator with options that are the model's own, in its generation_config.json.

    The pipeline's defaults, to sample up to 256 tokens, are overcome only so: among one token nothing is random.
    """
    pipeline = tiny_pipelines.generator()
    for name, value in {"max_length": 16, "do_sample": True, "top_k": 1, "_from_model_config": False}.items():
        setattr(pipeline.model.generation_config, name, value)
    return pipeline


_PAIR = {"text": "a text", "text_pair": "another"}

_OTHERS = (
    Variant("text-generation", "generation-config", _settled, {}),
    Variant("text-pairs", "inferred", tiny_pipelines.classifier, {"input_example": [_PAIR]}),
    Variant(
        "text-pairs",
        "explicit",
        tiny_pipelines.classifier,
        {"signature": infer_signature([_PAIR], None, {"top_k": 2}), "model_config": {"function_to_apply": "sigmoid"}},
    ),
    Variant("question-lists", "inferred", tiny_pipelines.reader, {"input_example": [_QUESTION, _QUESTION]}),
    Variant(
        "question-arrays",
        "inferred",
        tiny_pipelines.reader,
        {"input_example": {name: [text] * 2 for name, text in _QUESTION.items()}},
    ),
    Variant(
        "zero-shot-two-columns",
        "inferred",
        tiny_pipelines.entailer,
        {"input_example": {"sequences": "a text", "candidate_labels": ["law", "food"]}},
    ),
    Variant("speech-samples", "inferred", tiny_pipelines.ctc_recognizer, {"input_example": noise()}),
    Variant("audio-samples", "inferred", tiny_pipelines.audio_classifier, {"input_example": noise()}),
    Variant("chat", "default", tiny_pipelines.chatter, {"task": "llm/v1/chat", "model_config": _GREEDY}),
    Variant("chat", "config", tiny_pipelines.chatter, {"task": "llm/v1/chat", "model_config": _PAYLOAD}),
    Variant(
        "completions", "default", tiny_pipelines.generator, {"task": "llm/v1/completions", "model_config": _GREEDY}
    ),
    Variant(
        "completions", "config", tiny_pipelines.generator, {"task": "llm/v1/completions", "model_config": _PAYLOAD}
    ),
    Variant(
        "completions",
        "template",
        tiny_pipelines.generator,
        {"task": "llm/v1/completions", "model_config": _GREEDY, "prompt_template": "Q: {prompt} A:"},
    ),
    Variant("embeddings", "default", tiny_pipelines.encoder, {"task": "llm/v1/embeddings"}),
    Variant(
        "embeddings",
        "config",
        tiny_pipelines.encoder,
        {"task": "llm/v1/embeddings", "model_config": {"truncation": True, "return_tensors": True}},
    ),
)

VARIANTS = (*(variant for kind in KINDS for variant in _ways(kind)), *_OTHERS)


def saved(variant: Variant) -> Path:
    """The folder of a variant."""
    # MLflow listens to examples of audio.
    provide_ffmpeg()
    return tiny_models.kept(tiny_models.cache(__file__) / variant.name, variant.make, lambda: dict(variant.arguments))
