"""A tiny multilingual Whisper with random weights, which hears noise but follows every rule of the real one."""

from dataclasses import replace
from functools import cache

import torch
import transformers
from tokenizers import AddedToken

from savor.flavor.artifact import Artifact
from savor.flavor.encoding import TextEncoder
from savor.flavor.params import Unknown
from tests import tiny_models
from tests.flavor.artifacts import artifact

_LANGUAGES = ("en", "de", "fr")
_SPECIALS = [
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in _LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]


def _tokenizer() -> transformers.WhisperTokenizerFast:
    plain = tiny_models.tokenizer(bert=False)
    tokenizer = transformers.WhisperTokenizerFast(
        tokenizer_object=plain.backend_tokenizer.from_str(plain.backend_tokenizer.to_str()),
        bos_token="<|end|>",
        eos_token="<|end|>",
        unk_token="<|end|>",
        pad_token="<|end|>",
    )
    tokenizer.add_special_tokens({"additional_special_tokens": _SPECIALS})
    times = [AddedToken(f"<|{step * 0.02:.2f}|>", special=False, normalized=False) for step in range(1501)]
    tokenizer.add_tokens(times)
    return tokenizer


@cache
def whisper() -> Artifact:
    """The model in a pipeline; every parameter is let through to it."""
    tokenizer = _tokenizer()
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in _SPECIALS}
    torch.manual_seed(7)
    config = transformers.WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=16,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        init_std=0.5,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=ids["<|startoftranscript|>"],
    )
    model = transformers.WhisperForConditionalGeneration(config).eval()
    generation = {
        "is_multilingual": True,
        "lang_to_id": {f"<|{code}|>": ids[f"<|{code}|>"] for code in _LANGUAGES},
        "task_to_id": {"translate": ids["<|translate|>"], "transcribe": ids["<|transcribe|>"]},
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "prev_sot_token_id": ids["<|startofprev|>"],
        "alignment_heads": [[0, 0]],
        "max_initial_timestamp_index": 50,
        "begin_suppress_tokens": [tokenizer.eos_token_id],
    }
    for name, value in generation.items():
        setattr(model.generation_config, name, value)
    pipeline = transformers.pipeline(
        "automatic-speech-recognition",
        model=model,
        tokenizer=tokenizer,
        feature_extractor=transformers.WhisperFeatureExtractor(feature_size=16),
    )
    # Instead of the pipeline's own defaults, which are long and beam search.
    pipeline.generation_config.update(max_new_tokens=12, num_beams=1)
    plain = artifact("ctc", unknown_params=Unknown.ALLOW)
    return replace(plain, pipeline=pipeline, encoder=TextEncoder(tokenizer, None))
