"""fill-mask: candidates that are transformers' own, for every mask of every text."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import transformers

from savor.accel.eager import EagerBackend
from savor.flavor.artifact import Artifact
from savor.flavor.encoding import TextEncoder
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.families import fill_mask
from savor.flavor.families.fill_mask import FAMILY, FillMaskRequest, FillMaskResult, MaskCandidate, prepare
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from tests.accel.batches import alone, together
from tests.flavor.artifacts import artifact
from tests.flavor.families.forward import answer

TEXTS = ("one [MASK] text", "[MASK]", "two [MASK] of [MASK] them", "ünïcödé [MASK] 🙂", "[MASK][MASK][MASK]", "a[MASK]")


def _request(*inputs: str, top_k: int | None = None, targets: tuple[str, ...] = (), **parameters: Any) -> Any:
    return FillMaskRequest(inputs, parameters, top_k, targets)


def _open(**limits: Any) -> Artifact:
    return artifact("masker", unknown_params=Unknown.ALLOW, limits=Limits(**limits))


def _expected(records: Any) -> list[list[MaskCandidate]]:
    """The pipeline's answer for one text: a list of candidates, or one for each of several masks."""
    masks = records if isinstance(records[0], list) else [records]
    return [[_candidate(record) for record in mask] for mask in masks]


def _candidate(record: dict[str, Any]) -> MaskCandidate:
    score = pytest.approx(record["score"], abs=1e-6)
    return MaskCandidate(record["token_str"], record["token"], score, record["sequence"])


def _candidates(result: FillMaskResult) -> list[list[MaskCandidate]]:
    return [list(mask.candidates) for mask in result.masks]


def _check(model: Artifact, texts: tuple[str, ...], request: FillMaskRequest, **options: Any) -> None:
    response = answer(prepare(request, model), model)
    assert [_candidates(result) for result in response.results] == [
        _expected(model.pipeline(text, **options)) for text in texts
    ]


def test_candidates_are_the_pipelines() -> None:
    _check(_open(), TEXTS, _request(*TEXTS))


def test_all_tokens_are_candidates_where_as_many_are_asked_for() -> None:
    _check(_open(), TEXTS[:3], _request(*TEXTS[:3], top_k=600), top_k=600)
    [result] = answer(prepare(_request("[MASK]", top_k=601), _open()), _open()).results
    assert sorted(each.token_id for each in result.masks[0].candidates) == list(range(600))


OPTIONS = [
    pytest.param({"top_k": 2}, id="how many"),
    pytest.param({"targets": ["ex", "tions"]}, id="targets"),
    pytest.param({"targets": "ex"}, id="one target"),
    pytest.param({"targets": ["ex", "tions", "ex"], "top_k": 1}, id="the best of targets"),
    pytest.param({"targets": ["ex", "Copyright owners", "zzz"]}, id="targets that are no tokens"),
    pytest.param({"tokenizer_kwargs": {"truncation": True, "max_length": 6}}, id="a cut"),
    pytest.param({"tokenizer_kwargs": {"add_special_tokens": False}}, id="no special tokens"),
    pytest.param({"tokenizer_kwargs": {"padding": "max_length", "max_length": 20}}, id="padding"),
    pytest.param({"top_k": None, "targets": None, "tokenizer_kwargs": None}, id="nulls are no values"),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_mean_what_the_pipeline_means(options: dict[str, Any]) -> None:
    texts = ("one [MASK] text", "[MASK] and [MASK]")
    given = {key: value for key, value in options.items() if value is not None}
    _check(_open(), texts, FillMaskRequest(texts, options), **given)


def test_the_requests_own_come_before_options() -> None:
    request = FillMaskRequest(("a [MASK]",), {"top_k": 3, "targets": ["ces"]}, 1, ("ex", "tions"))
    _check(_open(), ("a [MASK]",), request, top_k=1, targets=["ex", "tions"])


def test_targets_that_are_no_tokens_are_warned_of() -> None:
    prepared = prepare(_request("a [MASK]", targets=("ex", "Copyright owners", "")), _open())
    first, second = prepared.warnings
    assert first.startswith("targets[1]: 'Copyright owners' is no token of the model's vocabulary; its first part, ")
    assert second.startswith("targets[2]: '' is no token of the model's vocabulary and was left out")


def test_the_template_applies() -> None:
    model = artifact("masker-with-template")
    plain = artifact("masker")
    filled, given = (prepare(_request(text), model) for text in ("a [MASK]", "It reads: a [MASK]"))
    assert answer(filled, model) == answer(prepare(_request("It reads: a [MASK]"), plain), plain)
    assert answer(given, model) != answer(filled, model)


BAD = [
    pytest.param(_request(), {}, "inputs", id="no inputs"),
    pytest.param(_request("[MASK]", "[MASK]", "[MASK]"), {"max_inputs": 2}, "inputs", id="too many inputs"),
    pytest.param(_request("[MASK]", "[MASK]bb"), {"max_text_chars": 7}, "inputs[1]", id="too many characters"),
    pytest.param(_request("[MASK]", "no mask"), {}, "inputs[1]", id="no mask"),
    pytest.param(_request("[MASK]", "[mask]"), {}, "inputs[1]", id="a mask of another model"),
    pytest.param(_request("word " * 99 + "[MASK]"), {}, "inputs[0]", id="too many tokens"),
    pytest.param(
        _request("word " * 99 + "[MASK]", tokenizer_kwargs={"truncation": True}), {}, "inputs[0]", id="a mask cut off"
    ),
    pytest.param(_request("[MASK]", top_k=0), {}, "top_k", id="no candidates"),
    pytest.param(_request("[MASK]", top_k=-1), {}, "top_k", id="fewer than none"),
    pytest.param(FillMaskRequest(("[MASK]",), {"top_k": 0}), {}, "parameters.top_k", id="none, by a parameter"),
    pytest.param(FillMaskRequest(("[MASK]",), {"top_k": 2.0}), {}, "parameters.top_k", id="no integer"),
    pytest.param(FillMaskRequest(("[MASK]",), {"targets": []}), {}, "parameters.targets", id="no targets"),
    pytest.param(
        FillMaskRequest(("[MASK]",), {"targets": [1]}), {}, "parameters.targets", id="targets that are no text"
    ),
    pytest.param(_request("[MASK]", targets=("", "")), {}, "targets", id="targets of no tokens"),
    pytest.param(_request("[MASK]", targets=("a", "[MASK]b")), {"max_text_chars": 6}, "targets[1]", id="a long target"),
    pytest.param(_request("[MASK]", tokenizer_kwargs=1), {}, "parameters.tokenizer_kwargs", id="no options"),
    pytest.param(
        _request("[MASK]", tokenizer_kwargs={"truncation": "much"}),
        {},
        "parameters.tokenizer_kwargs.truncation",
        id="an option's value",
    ),
    pytest.param(
        _request("[MASK]", tokenizer_kwargs={"is_split_into_words": True}),
        {},
        "parameters.tokenizer_kwargs.is_split_into_words",
        id="an option that the tokenizer does not take",
    ),
    pytest.param(_request("[MASK]" * 62, "[MASK]" * 62, top_k=600), {}, "top_k", id="too many candidates"),
]


@pytest.mark.parametrize(("request_", "limits", "field"), BAD)
def test_what_can_not_be_used_is_named(request_: FillMaskRequest, limits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(request_, _open(**limits))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_a_text_that_is_too_long_is_told_of_the_option_that_cuts_it() -> None:
    with pytest.raises(InvalidInput, match=r"set parameters\.tokenizer_kwargs\.truncation to true"):
        prepare(_request("[MASK]" + " word" * 99), _open())


def test_an_option_that_nothing_takes() -> None:
    with pytest.raises(UnsupportedParameter, match=r"parameters\.truncation: the pipeline does not take it"):
        prepare(_request("[MASK]", truncation=True), _open())


def test_dropped_parameters_are_warned_of() -> None:
    request = FillMaskRequest(("[MASK]",), {"top_k": 2})
    assert prepare(request, artifact("masker")).warnings[0].startswith("parameters.top_k")


def test_a_row_in_a_batch_is_the_row_alone() -> None:
    model = _open()
    backend, prepared = EagerBackend(model), prepare(_request(*TEXTS), model)
    assert len({(item.run, item.alike) for item in prepared.items}) == 1
    for whole, single in zip(together(backend, prepared.items), alone(backend, prepared.items), strict=True):
        np.testing.assert_allclose(whole["output"], single["output"], atol=1e-4)


def test_texts_without_an_attention_mask_are_not_padded() -> None:
    """FNet mixes all positions and has no mask, so padding would change every token."""
    plain = artifact("masker")
    config = transformers.FNetConfig(
        vocab_size=600, hidden_size=32, num_hidden_layers=1, intermediate_size=64, initializer_range=0.5
    )
    own = transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain.pipeline.tokenizer.backend_tokenizer,
        model_input_names=["input_ids", "token_type_ids"],
        pad_token="[PAD]",
        mask_token="[MASK]",
    )
    network = transformers.FNetForMaskedLM(config).eval()
    pipeline = transformers.pipeline("fill-mask", model=network, tokenizer=own)
    model = replace(plain, pipeline=pipeline, encoder=TextEncoder(own, 64))
    prepared = prepare(_request(*TEXTS), model)
    rows = together(EagerBackend(model), prepared.items)
    for whole, single in zip(rows, alone(EagerBackend(model), prepared.items), strict=True):
        np.testing.assert_allclose(whole["output"], single["output"], atol=1e-4)
    _check(model, TEXTS, _request(*TEXTS))


def test_the_bound_on_candidates_is_of_the_whole_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill_mask, "_MOST_CANDIDATES", 6)
    assert prepare(_request("[MASK]", "[MASK][MASK]", top_k=2), _open()).items
    with pytest.raises(InvalidInput, match=r"top_k: is 3 for 3 masks"):
        prepare(_request("[MASK]", "[MASK][MASK]", top_k=3), _open())


def test_the_probe_is_a_call() -> None:
    for recipe in ("masker", "masker-with-template"):
        assert answer(FAMILY.probe(artifact(recipe)), artifact(recipe)).results[0].masks
