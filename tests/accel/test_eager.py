"""The eager backend: a row in a batch equals the row alone, for every family and whatever its neighbours are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from savor.accel.backend import BackendInfo, RefusedOptions
from savor.accel.eager import EagerBackend
from savor.flavor import generation, replies
from savor.flavor.artifact import Artifact
from savor.flavor.encoding import TextEncoder
from savor.flavor.families import feature_extraction, speech_recognition, text_classification, text_generation
from savor.flavor.item import Item, Row
from savor.flavor.params import Unknown
from tests import tiny_pipelines
from tests.accel.batches import alone, batch, together
from tests.accel.parrot import END, parrot
from tests.flavor.artifacts import artifact

TEXTS = ("one", "a longer text, by some words", "", "the longest of these texts has the most words of all of them")
_TEXTS = st.lists(st.text(max_size=25), min_size=2, max_size=5)


@contextmanager
def running(model: Artifact) -> Iterator[EagerBackend]:
    backend = EagerBackend(model)
    yield backend
    backend.close()


def _classification(texts: Any, model: Artifact) -> tuple[Item, ...]:
    inputs = tuple(text_classification.TextClassificationInput(text) for text in texts)
    return text_classification.prepare(text_classification.ClassifyTextRequest(inputs, {}), model).items


def _features(texts: Any, model: Artifact) -> tuple[Item, ...]:
    request = feature_extraction.ExtractFeaturesRequest(tuple(texts), {})
    return feature_extraction.prepare_features(request, model).items


def _prompts(texts: Any, model: Artifact, **parameters: Any) -> tuple[Item, ...]:
    request = text_generation.GenerateTextRequest(tuple(texts), {"max_new_tokens": 8, "do_sample": False, **parameters})
    return text_generation.prepare(request, model).items


def _check(ours: list[Row], theirs: list[Row]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            # Sums in another order: outputs of these models are of the order of 10.
            np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=5e-5, err_msg=name)


def _generated(rows: list[Row]) -> list[list[list[int]]]:
    return [[tokens.tolist() for tokens in replies.generated(row)] for row in rows]


ENCODERS = ["classifier", "classifier-with-params", "classifier-multilabel", "classifier-regression"]


@pytest.mark.parametrize("recipe", ENCODERS)
def test_a_classified_row_in_a_batch_equals_the_row_alone(recipe: str) -> None:
    model = artifact(recipe)
    items = _classification(TEXTS, model)
    with running(model) as backend:
        _check(together(backend, items), alone(backend, items))


@pytest.mark.parametrize("recipe", ["encoder", "encoder-with-template"])
def test_an_encoded_row_in_a_batch_equals_the_row_alone(recipe: str) -> None:
    model = artifact(recipe)
    items = _features(TEXTS, model)
    with running(model) as backend:
        rows = together(backend, items)
        _check(rows, alone(backend, items))
    assert [len(row["output"]) for row in rows] == [item.length for item in items]


@settings(max_examples=10, deadline=None)
@given(_TEXTS)
def test_whatever_the_texts_are(texts: list[str]) -> None:
    for model, prepare in ((artifact("classifier"), _classification), (artifact("encoder"), _features)):
        items = prepare(texts, model)
        with running(model) as backend:
            _check(together(backend, items), alone(backend, items))


def test_a_row_is_the_models_own_output() -> None:
    model = artifact("classifier")
    [item] = _classification(["one"], model)
    with running(model) as backend, torch.no_grad():
        [row] = backend.run(batch(item))
        expected = model.pipeline.model(**{name: torch.from_numpy(a)[None] for name, a in item.arrays.items()}).logits
    np.testing.assert_allclose(row["output"], expected[0].numpy(), atol=1e-6)


GENERATIONS = [
    pytest.param({}, id="greedy"),
    pytest.param({"repetition_penalty": 1.7}, id="a repetition penalty"),
    pytest.param({"no_repeat_ngram_size": 2}, id="no pair of tokens twice"),
    pytest.param({"no_repeat_ngram_size": 1}, id="no token twice"),
    pytest.param({"encoder_repetition_penalty": 100.0}, id="a penalty on what the prompt lacks"),
    pytest.param({"encoder_no_repeat_ngram_size": 1}, id="no token of the prompt"),
    pytest.param({"min_length": 20, "max_new_tokens": 25}, id="a least length"),
    pytest.param({"num_beams": 3}, id="beams"),
    pytest.param({"num_beams": 3, "num_return_sequences": 2}, id="several beams"),
    pytest.param({"num_beams": 2, "repetition_penalty": 1.7}, id="beams with a penalty"),
    pytest.param({"max_length": 30, "max_new_tokens": None}, id="a total length"),
    pytest.param({"eos_token_id": [0, *range(300, 600)]}, id="ends here and there"),
]


@pytest.mark.parametrize("parameters", GENERATIONS)
def test_a_generated_row_in_a_batch_equals_the_row_alone(parameters: dict[str, Any]) -> None:
    model = artifact("generator", unknown_params=Unknown.ALLOW)
    items = _prompts(TEXTS, model, **parameters)
    with running(model) as backend:
        rows = together(backend, items)
        assert _generated(rows) == _generated(alone(backend, items))
    assert all(row["done"].all() for row in rows)


BANNED_BY_PADDING = [
    pytest.param({"no_repeat_ngram_size": 1}, id="no token twice"),
    pytest.param({"encoder_no_repeat_ngram_size": 1}, id="no token of the prompt"),
    pytest.param({"repetition_penalty": 100.0}, id="a repetition penalty"),
]


@pytest.mark.parametrize("parameters", BANNED_BY_PADDING)
def test_a_neighbours_length_does_not_keep_a_sequence_from_ending(parameters: dict[str, Any]) -> None:
    """Padding is made of the end token here, as for every model without a padding token."""
    model = parrot([END] * 40)
    items = _prompts(["a", "a much longer prompt"], model, **parameters)
    with running(model) as backend:
        assert _generated(together(backend, items)) == _generated(alone(backend, items)) == [[[END]], [[END]]]


@settings(max_examples=10, deadline=None)
@given(_TEXTS)
def test_whatever_the_prompts_are(texts: list[str]) -> None:
    model = artifact("generator")
    items = _prompts(texts, model)
    with running(model) as backend:
        assert _generated(together(backend, items)) == _generated(alone(backend, items))


@pytest.mark.parametrize("recipe", ["generator", "generator-bare", "generator-with-template", "generator-collapsing"])
def test_greedy_tokens_are_those_of_the_pipeline(recipe: str) -> None:
    model = artifact(recipe)
    request = text_generation.GenerateTextRequest(TEXTS, {"max_new_tokens": 8, "do_sample": False})
    items = text_generation.prepare(request, model).items
    with running(model) as backend:
        rows = together(backend, items)
    for text, row in zip(TEXTS, rows, strict=True):
        [expected] = model.pipeline(model.fill(text), max_new_tokens=8, do_sample=False, return_tensors=True)
        start = len(model.pipeline.tokenizer(model.fill(text))["input_ids"]) or 1
        assert row["tokens"][0][: row["lengths"][0]].tolist() == expected["generated_token_ids"][start:]


def _decoder_with_a_head(pad_token_id: int | None) -> Artifact:
    """A classifier on GPT-2, which finds the last token of a text by what is not its padding token."""
    torch.manual_seed(7)
    config = transformers.GPT2Config(
        vocab_size=600, n_positions=96, n_embd=32, n_layer=2, n_head=2, initializer_range=0.5, num_labels=3
    )
    config.pad_token_id = pad_token_id
    model, tokenizer = transformers.GPT2ForSequenceClassification(config).eval(), tiny_pipelines.tokenizer(bert=False)
    pipeline = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer)
    return replace(artifact("classifier"), pipeline=pipeline, encoder=TextEncoder(tokenizer, 96))


@pytest.mark.parametrize("pad_token_id", [None, 0, 599], ids=["none", "the tokenizer's filler", "another token"])
def test_a_decoders_head_in_a_batch(pad_token_id: int | None) -> None:
    model = _decoder_with_a_head(pad_token_id)
    items = _classification([text for text in TEXTS if text], model)
    with running(model) as backend:
        _check(together(backend, items), alone(backend, items))


def _recordings(model: Artifact, *seconds: float, **parameters: Any) -> tuple[Item, ...]:
    inputs = []
    for index, length in enumerate(seconds):
        samples = np.random.default_rng(index).uniform(-0.5, 0.5, int(16_000 * length)).astype("<f4")
        pcm = speech_recognition.PcmAudio(samples.tobytes(), speech_recognition.PcmEncoding.F32LE, 16_000)
        inputs.append(speech_recognition.AudioInput(pcm=pcm))
    request = speech_recognition.RecognizeSpeechRequest(tuple(inputs), parameters)
    return speech_recognition.prepare(request, model).items


def test_a_recognised_row_in_a_batch_equals_the_row_alone() -> None:
    model = artifact("ctc", unknown_params=Unknown.ALLOW)
    items = _recordings(model, 1.5, 0.5, 1.5, 0.7, 1.5)
    with running(model) as backend:
        _check(together(backend, items), alone(backend, items))


def test_recordings_of_one_length_share_a_batch() -> None:
    model = artifact("ctc")
    items = _recordings(model, 0.5, 0.5)
    with running(model) as backend:
        rows = backend.run(batch(*items))
        _check(list(rows), alone(backend, items))
    assert not np.array_equal(rows[0]["tokens"], rows[1]["tokens"])


def test_halves_are_widened() -> None:
    model = artifact("encoder", dtype="bfloat16")
    items = _features(TEXTS, model)
    with running(model) as backend:
        assert backend.info.precision == "bf16"
        rows, full = together(backend, items), together(EagerBackend(artifact("encoder")), items)
    for row, exact in zip(rows, full, strict=True):
        assert row["output"].dtype == np.float32
        np.testing.assert_allclose(row["output"], exact["output"], atol=0.3)


def test_what_a_backend_says_of_itself() -> None:
    backend = EagerBackend(artifact("classifier"), "as asked")
    assert backend.info == BackendInfo(
        "eager", "cpu", "fp32", not_compiled_reason="as asked", threads=torch.get_num_threads()
    )
    backend.close()


REFUSED = [
    pytest.param({"num_beams": 2, "num_return_sequences": 3}, id="more sequences than beams"),
    pytest.param({"max_new_tokens": 3, "frobnicate": 1}, id="an unknown keyword"),
    pytest.param({"max_new_tokens": 3, "do_sample": True, "temperature": 0.0}, id="no temperature"),
]


@pytest.mark.parametrize("options", REFUSED)
def test_options_that_generate_refuses(options: dict[str, Any]) -> None:
    model = artifact("generator")
    [item] = _prompts(["a"], model)
    with running(model) as backend, pytest.raises(RefusedOptions):
        backend.run(batch(replace(item, run=generation.run(options))))


def test_a_backend_goes_on_after_a_refusal() -> None:
    model = artifact("generator")
    [item] = _prompts(["a"], model)
    with running(model) as backend:
        before = alone(backend, [item])
        with pytest.raises(RefusedOptions):
            backend.run(batch(replace(item, run=generation.run({"frobnicate": 1}))))
        assert _generated(alone(backend, [item])) == _generated(before)
