"""A tiny random TAPEX, made from a configuration alone: it reads bytes and writes a few of them."""

import json
import tempfile
from functools import cache
from pathlib import Path

import torch
import transformers
from transformers import Pipeline
from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode

from savor.flavor import saved
from savor.flavor.artifact import Artifact
from savor.flavor.load import LoadOptions, load
from savor.flavor.params import Unknown
from tests import tiny_models


def table_writer() -> Pipeline:
    """BART with 300 positions, which ends after ten tokens at the latest."""
    characters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *bytes_to_unicode().values()]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, merges = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocabulary.write_text(json.dumps({character: index for index, character in enumerate(characters)}))
        merges.write_text("#version\n")
        own = transformers.TapexTokenizer(str(vocabulary), str(merges), model_max_length=300)
    settings = transformers.BartConfig(
        vocab_size=len(characters),
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_position_embeddings=300,
        init_std=0.5,
        forced_eos_token_id=None,
    )
    torch.manual_seed(7)
    model = transformers.BartForConditionalGeneration(settings).eval()
    # With the usual 20 the pipeline would set its own 256.
    model.generation_config.max_length = 12
    return transformers.pipeline("table-question-answering", model=model, tokenizer=own)


@cache
def table_writer_artifact() -> Artifact:
    """The model, saved by MLflow and loaded, with every parameter allowed."""
    with tempfile.TemporaryDirectory() as folder:
        path = tiny_models.save(table_writer(), Path(folder, "model"))
        return load(saved.read(path), LoadOptions(unknown_params=Unknown.ALLOW))
