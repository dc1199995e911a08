"""text2text-generation, summarization and translation: what is prepared, and rows in a batch as alone."""

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
import transformers

from savor.accel.backend import Batch
from savor.accel.eager import EagerBackend
from savor.flavor.artifact import Artifact
from savor.flavor.encoding import TextEncoder
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.families.text2text import (
    TransformTextRequest,
    TranslateTextRequest,
    prepare,
    prepare_translation,
)
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from tests import tiny_pipelines
from tests.accel.batches import batch
from tests.flavor.artifacts import artifact

TEXTS = ("a", "the work, and You", "Licensed under the Apache License, Version 2.0", "x")


def _request(*inputs: str, stop: tuple[str, ...] = (), seed: int | None = None, **parameters: Any) -> Any:
    return TransformTextRequest(inputs, parameters, stop, seed)


def _answers(request: Any, model: Artifact) -> list[str]:
    prepared = prepare(request, model)
    backend = EagerBackend(model)
    response = prepared.decode(backend.run(batch(*prepared.items)))
    return [result.sequences[0].text for result in response.results]


@pytest.mark.parametrize("recipe", ["text2text", "summarizer", "translator"])
def test_a_text_in_a_batch_is_the_text_alone(recipe: str) -> None:
    together = _answers(_request(*TEXTS), artifact(recipe))
    assert together == [_answers(_request(text), artifact(recipe))[0] for text in TEXTS]
    assert len(set(together)) == len(TEXTS)


def test_beams_in_a_batch_are_the_beams_alone() -> None:
    model = artifact("text2text", unknown_params=Unknown.ALLOW)
    request = _request(*TEXTS, num_beams=3)
    assert _answers(request, model) == [_answers(replace(request, inputs=(text,)), model)[0] for text in TEXTS]


def test_the_template_is_filled_before_encoding() -> None:
    templated = prepare(_request("the work"), artifact("text2text-with-template")).items[0]
    written_out = prepare(_request("say it: the work"), artifact("text2text")).items[0]
    assert templated.arrays["input_ids"].tolist() == written_out.arrays["input_ids"].tolist()


def test_texts_of_any_length_share_a_batch() -> None:
    items = prepare(_request(*TEXTS), artifact("text2text")).items
    assert len({(item.run, item.alike) for item in items}) == 1
    assert len({item.length for item in items}) > 1


def test_what_the_text_says_twice_may_look_at_padding() -> None:
    model = artifact("text2text", unknown_params=Unknown.ALLOW)
    items = prepare(_request(*TEXTS, encoder_no_repeat_ngram_size=2), model).items
    assert len({item.alike for item in items}) == len({item.length for item in items})
    items = prepare(_request(*TEXTS, repetition_penalty=1.5), model).items
    assert len({item.alike for item in items}) == 1


def test_a_stop_text_ends_a_text_and_is_no_part_of_it() -> None:
    whole = _answers(_request("the work"), artifact("text2text"))[0]
    stop = whole[2:4]
    assert _answers(_request("the work", stop=(stop,)), artifact("text2text"))[0] == whole[: whole.find(stop)]


UNUSABLE = [
    pytest.param({"max_new_tokens": 0}, "parameters.max_new_tokens", id="no tokens"),
    pytest.param({"temperature": 0.0, "do_sample": True}, "parameters.temperature", id="no temperature"),
    pytest.param({"truncation": "some"}, "parameters.truncation", id="an unknown truncation"),
    pytest.param({"return_full_text": True}, "parameters.return_full_text", id="an option of decoders"),
    pytest.param({"return_tensors": True}, "parameters", id="tensors"),
    pytest.param({"src_lang": 3}, "parameters.src_lang", id="a language that is a number"),
]


@pytest.mark.parametrize(("parameters", "field"), UNUSABLE)
def test_what_can_not_be_used_is_named(parameters: dict[str, Any], field: str) -> None:
    model = artifact("text2text", unknown_params=Unknown.ALLOW)
    with pytest.raises((InvalidInput, UnsupportedParameter)) as caught:
        prepare(_request("a", **parameters), model)
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize(
    ("inputs", "field"),
    [((), "inputs"), (("a", "b" * 11), "inputs[1]"), (("a", "b", "c"), "inputs")],
    ids=["none", "a long text", "many"],
)
def test_limits(inputs: tuple[str, ...], field: str) -> None:
    model = replace(artifact("text2text"), limits=Limits(max_inputs=2, max_text_chars=10))
    with pytest.raises(InvalidInput) as caught:
        prepare(_request(*inputs), model)
    assert [violation.field for violation in caught.value.violations] == [field]


@cache
def _of_few_positions() -> Artifact:
    """BART that reads and writes 24 tokens."""
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    settings = transformers.BartConfig(
        vocab_size=600,
        d_model=32,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=24,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
        forced_eos_token_id=None,
        **sizes,
    )
    torch.manual_seed(7)
    model = transformers.BartForConditionalGeneration(settings).eval()
    own = copy.deepcopy(tiny_pipelines.text2text().tokenizer)
    own.model_max_length = 24
    pipe = transformers.pipeline("text2text-generation", model=model, tokenizer=own)
    plain = artifact("text2text", unknown_params=Unknown.ALLOW)
    return replace(plain, pipeline=pipe, encoder=TextEncoder(pipe.tokenizer, 24), config={})


def test_a_text_longer_than_the_model_reads_is_refused_unless_it_may_be_cut() -> None:
    with pytest.raises(InvalidInput, match=r"inputs\[0\]: has \d+ tokens; the model reads 24: .*truncation"):
        prepare(_request("work " * 50), _of_few_positions())
    (item,) = prepare(_request("work " * 50, truncation=True, max_new_tokens=2), _of_few_positions()).items
    assert item.length == 24


def test_generation_ends_where_the_model_has_no_more_positions() -> None:
    prepared = prepare(_request("work", max_new_tokens=500, num_beams=1), _of_few_positions())
    backend = EagerBackend(_of_few_positions())
    (result,) = prepared.decode(backend.run(Batch(prepared.items, batch(*prepared.items).watches))).results
    assert result.sequences[0].token_count <= 23


@cache
def _multilingual() -> Artifact:
    """An M2M100 with NLLB's tokenizer, which knows languages by name."""
    own = transformers.NllbTokenizerFast(
        tokenizer_object=tiny_pipelines.text2text().tokenizer.backend_tokenizer,
        src_lang="eng_Latn",
        additional_special_tokens=["eng_Latn", "deu_Latn", "fra_Latn"],
        pad_token="[PAD]",
        eos_token="[SEP]",
        unk_token="[PAD]",
        bos_token="[CLS]",
    )
    sizes = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    settings = transformers.M2M100Config(
        vocab_size=len(own),
        d_model=32,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=2,
        decoder_start_token_id=2,
        **sizes,
    )
    torch.manual_seed(7)
    model = transformers.M2M100ForConditionalGeneration(settings).eval()
    pipe = transformers.pipeline("translation", model=model, tokenizer=own)
    plain = artifact("translator", unknown_params=Unknown.ALLOW)
    config = {"max_new_tokens": 6, "num_beams": 1}
    return replace(plain, pipeline=pipe, encoder=TextEncoder(own, 64), config=config)


@pytest.mark.parametrize("target", ["deu_Latn", "fra_Latn"])
def test_languages_are_chosen_by_the_request(target: str) -> None:
    model = _multilingual()
    request = TranslateTextRequest(("the work",), {}, source_language="eng_Latn", target_language=target)
    prepared = prepare_translation(request, model)
    (result,) = prepared.decode(EagerBackend(model).run(batch(*prepared.items))).results
    expected = model.pipeline("the work", src_lang="eng_Latn", tgt_lang=target, max_new_tokens=6, num_beams=1)
    assert result.sequences[0].text == expected[0]["translation_text"]


def test_an_unknown_language_is_named_with_some_known_ones() -> None:
    request = TranslateTextRequest(("the work",), {}, source_language="eng_Latn", target_language="klingon")
    with pytest.raises(InvalidInput, match=r"target_language: 'klingon' is no language .*deu_Latn"):
        prepare_translation(request, _multilingual())
