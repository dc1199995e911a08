"""A GPT-2 that writes a given text: its positions say which token comes next, its layer says nothing."""

from dataclasses import replace

import torch
import transformers

from savor.flavor.artifact import Artifact
from savor.flavor.encoding import TextEncoder
from savor.flavor.params import Unknown
from tests import tiny_pipelines
from tests.flavor.artifacts import artifact

TOKENIZER = tiny_pipelines.tokenizer(bert=False)
VOCABULARY = len(TOKENIZER)
END = TOKENIZER.eos_token_id


def tokens(text: str) -> list[int]:
    """The tokens of a text."""
    return list(TOKENIZER(text)["input_ids"])


POSITIONS = 512


def parrot(script: list[int]) -> Artifact:
    """A model that writes the tokens of `script`, from wherever a prompt ends: after `n` tokens comes `script[n]`.

    Behind the script it repeats the last token.
    """
    settings = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=POSITIONS,
        n_embd=VOCABULARY,
        n_layer=1,
        n_head=1,
        n_inner=1,
        bos_token_id=END,
        eos_token_id=END,
    )
    model = transformers.GPT2LMHeadModel(settings).eval()
    with torch.no_grad():
        block = model.transformer.h[0]
        for projection in (block.attn.c_proj, block.mlp.c_proj):
            projection.weight.zero_()
            projection.bias.zero_()
        model.transformer.wte.weight.copy_(torch.eye(VOCABULARY))
        model.transformer.wpe.weight.zero_()
        for position, token in enumerate(script[1:]):
            model.transformer.wpe.weight[position, token] = 10.0
    pipeline = transformers.pipeline("text-generation", model=model, tokenizer=TOKENIZER)
    encoder = TextEncoder(TOKENIZER, POSITIONS)
    plain = artifact("generator", unknown_params=Unknown.ALLOW)
    return replace(plain, pipeline=pipeline, encoder=encoder)
