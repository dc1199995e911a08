"""Small random models of many architectures, for what differs between them: padding, positions, prefixes, inputs."""

from collections.abc import Mapping
from typing import Any

import torch
import transformers
from transformers import Pipeline, PreTrainedTokenizerFast, pipeline

from tests import tiny_pipelines

_TINY: Mapping[str, Any] = {
    "vocab_size": 600,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 130,
    "initializer_range": 0.5,
    "pad_token_id": 0,
}
_SHORT: Mapping[str, Any] = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2}
_ENCODER_DECODER: Mapping[str, Any] = {
    "vocab_size": 600,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
    "init_std": 0.5,
}
_ENDS: Mapping[str, Any] = {"bos_token_id": 0, "eos_token_id": 0}
_DECODER: Mapping[str, Any] = {**_ENDS, "pad_token_id": None, "num_key_value_heads": 1}

ENCODERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Roberta": ("RobertaConfig", _TINY),
    "DistilBert": ("DistilBertConfig", {**_TINY, **_SHORT}),
    "Albert": ("AlbertConfig", {**_TINY, "embedding_size": 16}),
    "Electra": ("ElectraConfig", {**_TINY, "embedding_size": 16}),
    "DebertaV2": ("DebertaV2Config", {**_TINY, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
    "MPNet": ("MPNetConfig", _TINY),
    "XLMRoberta": ("XLMRobertaConfig", _TINY),
    "ModernBert": ("ModernBertConfig", {**_TINY, "reference_compile": False, "attn_implementation": "eager"}),
}
DECODERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "Llama": ("LlamaConfig", {**_TINY, **_DECODER}),
    "Qwen2": ("Qwen2Config", {**_TINY, **_DECODER}),
    "Mistral": ("MistralConfig", {**_TINY, **_DECODER}),
    "GPTNeoX": ("GPTNeoXConfig", {**_TINY, **_DECODER}),
    "OPT": (
        "OPTConfig",
        {**_TINY, "ffn_dim": 64, "word_embed_proj_dim": 32, "init_std": 0.5, **_ENDS, "pad_token_id": 1},
    ),
    "Bloom": ("BloomConfig", {**_TINY, "n_layer": 2, "n_head": 2, **_ENDS}),
    "Falcon": ("FalconConfig", {**_TINY, **_ENDS, "alibi": True, "new_decoder_architecture": False}),
    "Phi": ("PhiConfig", {**_TINY, **_DECODER}),
}
ENCODER_DECODERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "BartForConditionalGeneration": ("BartConfig", _ENCODER_DECODER),
    "MarianMTModel": ("MarianConfig", _ENCODER_DECODER),
    "PegasusForConditionalGeneration": ("PegasusConfig", _ENCODER_DECODER),
    "BlenderbotSmallForConditionalGeneration": ("BlenderbotSmallConfig", _ENCODER_DECODER),
    "MBartForConditionalGeneration": ("MBartConfig", _ENCODER_DECODER),
}


_WITHOUT_TOKEN_TYPES = ("DistilBert", "MPNet", "ModernBert", "Roberta", "XLMRoberta")


def _model(kind: str, config: str, settings: Mapping[str, Any], **more: Any) -> Any:
    torch.manual_seed(7)
    return getattr(transformers, kind)(getattr(transformers, config)(**{**settings, **more})).eval()


def encoder(name: str, head: str, task: str) -> Pipeline:
    """An encoder with a head, such as "ForMaskedLM", in its pipeline."""
    config, settings = ENCODERS[name]
    tokenizer = tiny_pipelines.tokenizer(bert=True)
    if name in _WITHOUT_TOKEN_TYPES:
        inputs = {**tokenizer.init_kwargs, "model_input_names": ["input_ids", "attention_mask"]}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, **inputs)
    labels = {} if head in ("Model", "ForMaskedLM", "ForQuestionAnswering") else {"num_labels": 3}
    return pipeline(task, model=_model(f"{name}{head}", config, settings, **labels), tokenizer=tokenizer)


def decoder(name: str) -> Pipeline:
    """A decoder that generates, in its pipeline."""
    model = _model(f"{name}ForCausalLM", *DECODERS[name])
    return pipeline("text-generation", model=model, tokenizer=tiny_pipelines.tokenizer(bert=False))


def encoder_decoder(name: str) -> Pipeline:
    """An encoder-decoder that summarizes, in its pipeline."""
    tokenizer = tiny_pipelines.text2text().tokenizer
    return pipeline("summarization", model=_model(name, *ENCODER_DECODERS[name]), tokenizer=tokenizer)
