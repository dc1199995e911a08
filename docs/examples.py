"""One example of each RPC, and the models that answer them: a new family is an entry in `EXAMPLES`.

Bytes are shell substitutions, so that a request can be pasted as it is printed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Model:
    """A model of the examples: real weights where `weights` names some of demo/weights.py, else random ones.

    `tiny` is a recipe of tests/tiny_models.py for the same task. `config` is the model_config that it is saved with.
    """

    name: str
    task: str
    tiny: str
    about: str
    weights: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A call of an RPC: what its client sends, but for the model's name."""

    rpc: str
    model: Model
    sent: tuple[Mapping[str, Any], ...]
    about: str = ""

    def messages(self, model: str) -> tuple[Mapping[str, Any], ...]:
        """What the client sends to a model of this name; a stream's first message has it in its config."""
        first, *others = self.sent
        config = first.get("config")
        named = {"model": model, **first} if config is None else {**first, "config": {"model": model, **config}}
        return (named, *others)


def _random(name: str, task: str, kind: str) -> Model:
    return Model(name, task, name, kind)


_GREEDY = {"num_beams": 1}

MINILM = Model("minilm", "feature-extraction", "encoder", "all-MiniLM-L6-v2", "all-minilm-l6-v2")
WHISPER = Model("whisper", "automatic-speech-recognition", "ctc", "Whisper tiny.en", "whisper-tiny-en", _GREEDY)
SPECIES = Model(
    "species", "text-classification", "classifier", "AntiBERTy: whose antibody a sequence is", "antiberty-species"
)
TITLE = Model(
    "title", "text2text-generation", "text2text", "T5: titles for steps of agents", "traceforge-title", _GREEDY
)
GIST = Model("gist", "summarization", "summarizer", "the same, saved for summarization", "traceforge-title", _GREEDY)
GRAMMAR = Model("grammar", "token-classification", "tagger", "DistilBERT: what to correct in a text", "quire-grammar")
GENERATOR = _random("generator", "text-generation", "GPT-2")
CHATTER = _random("chatter", "text-generation", "GPT-2 with a chat template")
TRANSLATOR = _random("translator", "translation_en_to_fr", "T5")
MASKER = _random("masker", "fill-mask", "BERT")
ENTAILER = _random("entailer", "zero-shot-classification", "BERT")
READER = _random("reader", "question-answering", "BERT")
TABLE_READER = _random("table-reader", "table-question-answering", "TAPAS")
AUDIO_CLASSIFIER = _random("audio-classifier", "audio-classification", "Wav2Vec2")
IMAGE_CLASSIFIER = _random("image-classifier", "image-classification", "ViT")

_SPEECH = "$(base64 -w0 demo/speech.flac)"
_SAMPLES = "$(ffmpeg -v error -ss {} -t 3.3 -i demo/speech-long.flac -f s16le - | base64 -w0)"
_PIXELS = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFElEQVR42mP4z8DAAMIM////ZwAAHu8E/HMcU8wAAAAASUVORK5CYII="
_STEP = "summarize agent step: The agent read config.yaml and found that the database port was wrong."
_CONVERSATION = {
    "messages": [
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "What is a license?"},
    ]
}
_SHORT = {"max_new_tokens": "6"}

EXAMPLES: tuple[Example, ...] = (
    Example(
        "FeatureExtractionService/ExtractFeatures",
        MINILM,
        ({"inputs": ["A cat sat on the windowsill."]},),
        "Ten tokens, [CLS] and [SEP] included, of 384 numbers each.",
    ),
    Example(
        "FeatureExtractionService/EmbedText",
        MINILM,
        ({"inputs": ["A cat sat on the windowsill.", "Interest rates rose again."]},),
        "Pooled and normalized as the model's own sentence-transformers settings say.",
    ),
    Example(
        "SpeechRecognitionService/RecognizeSpeech",
        WHISPER,
        ({"inputs": [{"content": _SPEECH}], "timestamps": "TIMESTAMP_GRANULARITY_WORD"},),
    ),
    Example(
        "SpeechRecognitionService/StreamingRecognizeSpeech",
        WHISPER,
        (
            {
                "config": {
                    "encoding": "PCM_ENCODING_S16LE",
                    "sample_rate_hz": 16000,
                    "interim_results": False,
                    "pause_s": 0.3,
                }
            },
            {"samples": _SAMPLES.format(26.5)},
            {"samples": _SAMPLES.format(29.8)},
        ),
        "Samples come as they are recorded, in as many messages as it takes, here in two. Results are final at pauses.",
    ),
    Example(
        "TextClassificationService/ClassifyText",
        SPECIES,
        ({"inputs": [{"text": "EVQLVESGGGLVQPGGSLRLSCAASGFTFSSYAMSWVRQAPGKGLEWVS"}], "top_k": 2},),
    ),
    Example("TextGenerationService/GenerateText", GENERATOR, ({"inputs": ["Once upon"], "parameters": _SHORT},)),
    Example("TextGenerationService/StreamGenerateText", GENERATOR, ({"inputs": ["Once upon"], "parameters": _SHORT},)),
    Example("ChatService/CompleteChat", CHATTER, ({"inputs": [_CONVERSATION]},)),
    Example("ChatService/StreamCompleteChat", CHATTER, ({"inputs": [_CONVERSATION]},)),
    Example("Text2TextService/TransformText", TITLE, ({"inputs": [_STEP]},)),
    Example("Text2TextService/StreamTransformText", TITLE, ({"inputs": [_STEP]},)),
    Example("Text2TextService/SummarizeText", GIST, ({"inputs": [_STEP]},)),
    Example("Text2TextService/StreamSummarizeText", GIST, ({"inputs": [_STEP]},)),
    Example("Text2TextService/TranslateText", TRANSLATOR, ({"inputs": ["The work is done."]},)),
    Example("Text2TextService/StreamTranslateText", TRANSLATOR, ({"inputs": ["The work is done."]},)),
    Example("FillMaskService/FillMask", MASKER, ({"inputs": ["The [MASK] of this [MASK]."], "top_k": 2},)),
    Example(
        "TokenClassificationService/ClassifyTokens",
        GRAMMAR,
        (
            {
                "inputs": ["She have two cats and he go home.", "All is well."],
                "aggregation_strategy": "AGGREGATION_STRATEGY_SIMPLE",
            },
        ),
    ),
    Example(
        "ZeroShotClassificationService/ClassifyZeroShot",
        ENTAILER,
        ({"inputs": ["The team won the cup."], "candidate_labels": ["sport", "law", "food, and drink"]},),
    ),
    Example(
        "QuestionAnsweringService/AnswerQuestion",
        READER,
        ({"inputs": [{"question": "Who may copy it?", "context": "Anyone may copy the work."}], "top_k": 2},),
    ),
    Example(
        "TableQuestionAnsweringService/AnswerTableQuestion",
        TABLE_READER,
        (
            {
                "inputs": ["how many?"],
                "table": {
                    "columns": [{"name": "town", "cells": ["ulm", "bonn"]}, {"name": "trams", "cells": ["10", "12"]}]
                },
            },
        ),
    ),
    Example("AudioClassificationService/ClassifyAudio", AUDIO_CLASSIFIER, ({"inputs": [{"content": _SPEECH}]},)),
    Example(
        "ImageClassificationService/ClassifyImage", IMAGE_CLASSIFIER, ({"inputs": [{"content": _PIXELS}], "top_k": 2},)
    ),
    Example(
        "PyfuncService/Predict",
        TITLE,
        ({"json": json.dumps({"inputs": [_STEP]})},),
        "The body is what MLflow's scoring server takes at /invocations, as a text: see [exact.md](exact.md).",
    ),
)

PARITY: Mapping[str, tuple[str, ...]] = {
    "TextClassificationService": ("B1", "B2"),
    "FeatureExtractionService": ("B4",),
    "SpeechRecognitionService": ("B8", "B18"),
    "TextGenerationService": ("B5", "B14"),
    "ChatService": ("B13", "B14", "B15", "B16"),
    "Text2TextService": ("B5", "B11"),
    "TokenClassificationService": ("B3",),
    "FillMaskService": ("B6",),
    "ZeroShotClassificationService": ("B10",),
    "QuestionAnsweringService": ("B7",),
    "TableQuestionAnsweringService": ("B9",),
    "AudioClassificationService": ("B12", "B18"),
    "ImageClassificationService": ("B12", "B18"),
}
"""The rows of docs/parity.md that tell how a service differs from MLflow."""
