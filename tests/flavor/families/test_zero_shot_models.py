"""zero-shot-classification with models that answer at the end of a text: scores are the pipeline's, in batches too."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from tokenizers import processors

from savor.accel.eager import EagerBackend
from savor.flavor.artifact import Artifact
from savor.flavor.encoding import TextEncoder
from savor.flavor.families.zero_shot_classification import ClassifyZeroShotRequest, prepare
from tests import tiny_pipelines
from tests.accel.batches import together
from tests.flavor.artifacts import artifact

NAMES = dict(enumerate(["entailment", "neutral", "contradiction"]))
LABELED = {"id2label": NAMES, "label2id": {name: place for place, name in NAMES.items()}}


def _bart() -> tuple[Any, Any]:
    """The model of most zero-shot pipelines: its pairs have two ends between the texts and one behind."""
    plain = tiny_pipelines.tokenizer(bert=True).backend_tokenizer
    made = plain.from_str(plain.to_str())
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] [SEP] $B [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    own = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, model_input_names=["input_ids", "attention_mask"], pad_token="[PAD]", model_max_length=64
    )
    sizes = {f"{side}_{name}": 1 for side in ("encoder", "decoder") for name in ("layers", "attention_heads")}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
    config = transformers.BartConfig(
        vocab_size=600, d_model=32, max_position_embeddings=64, init_std=0.5, **sizes, **tokens, **LABELED
    )
    return transformers.BartForSequenceClassification(config), own


def _gpt2() -> tuple[Any, Any]:
    """A decoder without a padding token, which can't tell padding from text."""
    sizes = {"n_positions": 64, "n_embd": 32, "n_layer": 1, "n_head": 2, "initializer_range": 0.5}
    model = transformers.GPT2ForSequenceClassification(transformers.GPT2Config(vocab_size=600, **sizes, **LABELED))
    plain = tiny_pipelines.tokenizer(bert=False).backend_tokenizer
    own = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<|end|>", model_max_length=64)
    return model, own


def _loaded(make: Callable[[], tuple[Any, Any]]) -> Artifact:
    torch.manual_seed(7)
    model, own = make()
    pipeline = transformers.pipeline("zero-shot-classification", model=model.eval(), tokenizer=own)
    return replace(artifact("entailer"), pipeline=pipeline, encoder=TextEncoder(own, 64))


@pytest.mark.parametrize("make", [_bart, _gpt2], ids=["BART", "GPT-2"])
def test_scores_are_the_pipelines(make: Callable[[], tuple[Any, Any]]) -> None:
    model = _loaded(make)
    texts, labels = ("one text", "x", "another, longer text", "a text [SEP] that spells an end <|end|>"), ("a", "b c d")
    prepared = prepare(ClassifyZeroShotRequest(texts, {}, labels), model)
    response = prepared.decode(together(EagerBackend(model), prepared.items))
    for result, record in zip(response.results, model.pipeline(list(texts), list(labels)), strict=True):
        assert [scored.label for scored in result.labels] == record["labels"]
        assert [scored.score for scored in result.labels] == pytest.approx(record["scores"], abs=1e-5)
