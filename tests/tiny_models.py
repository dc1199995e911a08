"""Tiny random models of every family, saved through MLflow once and cached until this file or a version changes."""

import copy
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import torch
import transformers
from mlflow.models import infer_signature
from transformers import Pipeline

from tests import tiny_pipelines
from tests.tiny_pipelines import (
    audio_classifier,
    chatter,
    classifier,
    ctc_recognizer,
    encoder,
    entailer,
    generator,
    image_classifier,
    masker,
    reader,
    table_reader,
    tagger,
    text2text,
    whisper,
)

ROOT = Path(__file__).resolve().parent.parent


GENERATION_PARAMS: Mapping[str, Any] = {
    "max_new_tokens": 8,
    "do_sample": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "temperature": 1.0,
    "return_full_text": True,
}


def _generation_signature() -> Any:
    return infer_signature("prompt", "text", dict(GENERATION_PARAMS))


GREEDY = {"max_new_tokens": 8, "do_sample": False}
GREEDY_BEAMLESS = {**GREEDY, "num_beams": 1}

RECIPES: Mapping[str, tuple[Callable[[], Pipeline], Callable[[], dict[str, Any]]]] = {
    "classifier": (classifier, dict),
    "classifier-with-params": (
        classifier,
        lambda: {"signature": infer_signature("a", None, {"top_k": 2, "function_to_apply": "softmax"})},
    ),
    "classifier-multilabel": (lambda: classifier(4, problem_type="multi_label_classification"), dict),
    "classifier-regression": (lambda: classifier(1, problem_type="regression"), dict),
    "encoder": (encoder, dict),
    "encoder-with-template": (encoder, lambda: {"prompt_template": "query: {prompt}"}),
    "generator": (generator, lambda: {"signature": _generation_signature()}),
    "generator-bare": (generator, lambda: {"model_config": GREEDY}),
    "generator-with-template": (
        generator,
        lambda: {"prompt_template": "Q: {prompt} A:", "model_config": GREEDY},
    ),
    "generator-collapsing": (
        generator,
        lambda: {"model_config": {**GREEDY, "collapse_whitespace": True, "include_prompt": False}},
    ),
    "ctc": (ctc_recognizer, dict),
    "whisper": (whisper, dict),
    "tagger": (tagger, dict),
    "tagger-grouping": (tagger, lambda: {"model_config": {"aggregation_strategy": "simple"}}),
    "entailer": (entailer, dict),
    "reader": (reader, dict),
    "table-reader": (table_reader, dict),
    "masker": (masker, dict),
    "masker-with-template": (masker, lambda: {"prompt_template": "It reads: {prompt}"}),
    "text2text": (text2text, lambda: {"model_config": GREEDY_BEAMLESS}),
    "text2text-with-template": (
        text2text,
        lambda: {"prompt_template": "say it: {prompt}", "model_config": GREEDY_BEAMLESS},
    ),
    "summarizer": (lambda: text2text("summarization"), lambda: {"model_config": GREEDY_BEAMLESS}),
    "translator": (lambda: text2text("translation_en_to_fr"), lambda: {"model_config": GREEDY_BEAMLESS}),
    "chatter": (chatter, lambda: {"model_config": GREEDY}),
    "llm-chat": (chatter, lambda: {"task": "llm/v1/chat", "model_config": GREEDY}),
    "llm-completions": (generator, lambda: {"task": "llm/v1/completions", "model_config": GREEDY}),
    "llm-embeddings": (encoder, lambda: {"task": "llm/v1/embeddings"}),
    "audio-classifier": (audio_classifier, dict),
    "image-classifier": (image_classifier, dict),
}
"""How each model is made, and how it is saved: keyword arguments of `mlflow.transformers.save_model`."""


def saved(name: str) -> Path:
    """The folder of a saved model, made at its first use."""
    return kept(cache() / name, *RECIPES[name])


def kept(folder: Path, make: Callable[[], Pipeline], arguments: Callable[[], dict[str, Any]]) -> Path:
    """A folder below `cache()`, in which the pipeline is saved with the arguments at its first use."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            # MLflow writes into the model_config that it is given.
            save(make(), Path(draft, "model"), **copy.deepcopy(arguments()))
            _publish(Path(draft, "model"), folder)
    return folder


def _publish(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        # Another process was first; its model is as good as this one.
        if not folder.is_dir():
            raise


def save(source: Any, folder: Path, **arguments: Any) -> Path:
    """Saves through MLflow, without what needs a hub."""
    mlflow.transformers.save_model(source, str(folder), pip_requirements=["transformers"], **arguments)
    return folder


def edited(source: Path, folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a saved model whose MLmodel is changed by `edit`."""
    import yaml

    shutil.copytree(source, folder)
    file = folder / "MLmodel"
    words = yaml.safe_load(file.read_text())
    edit(words)
    file.write_text(yaml.safe_dump(words))
    return folder


def cache(*modules: str) -> Path:
    """Where models are kept until this file, one of these `modules` (paths of source files) or a version changes."""
    versions = f"{transformers.__version__} {mlflow.__version__} {torch.__version__}"
    sources = b"".join(Path(module).read_bytes() for module in (__file__, str(tiny_pipelines.__file__), *modules))
    key = hashlib.sha256(sources + versions.encode()).hexdigest()[:12]
    return Path(os.environ.get("SAVOR_CACHE_DIR", ROOT / ".cache")) / "test-models" / key
