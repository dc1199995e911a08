"""Tiny random models of every family, saved through MLflow once and cached until this file or a version changes.

Weights are random but seeded, and large enough in scale that different texts give clearly different answers.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import torch
import transformers
from mlflow.models import infer_signature
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import Pipeline, PreTrainedTokenizerFast, pipeline

ROOT = Path(__file__).resolve().parent.parent
CORPUS = (ROOT / "LICENSE").read_text()


@cache
def tokenizer(*, bert: bool) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 600 tokens; in BERT's form it wraps texts in [CLS] and [SEP]."""
    specials = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"] if bert else ["<|end|>"]
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([CORPUS], trainer)
    if not bert:
        return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<|end|>", eos_token="<|end|>")
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=64, **names)


_BERT = {
    "vocab_size": 600,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.5,
    "pad_token_id": 0,
}


def _seeded(model_class: Any, config: Any) -> Any:
    torch.manual_seed(7)
    return model_class(config).eval()


def classifier(labels: int = 3, **config: Any) -> Pipeline:
    """BERT with a classification head."""
    settings = transformers.BertConfig(**_BERT, num_labels=labels, **config)
    model = _seeded(transformers.BertForSequenceClassification, settings)
    return pipeline("text-classification", model=model, tokenizer=tokenizer(bert=True))


def encoder() -> Pipeline:
    """BERT without a head."""
    model = _seeded(transformers.BertModel, transformers.BertConfig(**_BERT))
    return pipeline("feature-extraction", model=model, tokenizer=tokenizer(bert=True))


def generator(**config: Any) -> Pipeline:
    """GPT-2 with 96 positions; its pipeline has no padding token, as GPT-2's own has none."""
    sizes = {"vocab_size": 600, "n_positions": 96, "n_embd": 32, "n_layer": 2, "n_head": 2, "initializer_range": 0.5}
    settings = transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, **config)
    return pipeline(
        "text-generation", model=_seeded(transformers.GPT2LMHeadModel, settings), tokenizer=tokenizer(bert=False)
    )


def ctc_recognizer() -> Pipeline:
    """Wav2Vec2 with a character vocabulary."""
    settings = transformers.Wav2Vec2Config(
        vocab_size=32,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(32, 32, 32),
        conv_kernel=(10, 3, 2),
        conv_stride=(5, 4, 2),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
        initializer_range=0.5,
    )
    with tempfile.TemporaryDirectory() as folder:
        characters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ'"]
        file = Path(folder, "vocab.json")
        file.write_text("{" + ", ".join(f'"{c}": {i}' for i, c in enumerate(characters)) + "}")
        characters_tokenizer = transformers.Wav2Vec2CTCTokenizer(str(file))
    return pipeline(
        "automatic-speech-recognition",
        model=_seeded(transformers.Wav2Vec2ForCTC, settings),
        tokenizer=characters_tokenizer,
        feature_extractor=transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False),
    )


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
}
"""How each model is made, and how it is saved: keyword arguments of `mlflow.transformers.save_model`."""


def saved(name: str) -> Path:
    """The folder of a saved model, made at its first use."""
    folder = _cache() / name
    if not folder.is_dir():
        make, arguments = RECIPES[name]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            save(make(), Path(draft, "model"), **arguments())
            Path(draft, "model").rename(folder)
    return folder


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


def _cache() -> Path:
    versions = f"{transformers.__version__} {mlflow.__version__} {torch.__version__}"
    key = hashlib.sha256(Path(__file__).read_bytes() + CORPUS.encode() + versions.encode()).hexdigest()[:12]
    return Path(os.environ.get("SAVOR_CACHE_DIR", ROOT / ".cache")) / "test-models" / key
