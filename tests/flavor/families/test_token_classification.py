"""token-classification: tokens and entities that are transformers' own."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savor.accel.eager import EagerBackend
from savor.flavor.errors import InvalidInput, UnsupportedParameter
from savor.flavor.families.token_classification import (
    FAMILY,
    AggregationStrategy,
    ClassifyTokensRequest,
    TokenClassificationResult,
    TokenEntity,
    prepare,
)
from tests.accel.batches import alone, together
from tests.flavor.artifacts import artifact
from tests.flavor.families.forward import answer
from tests.flavor.families.tagging import STRATEGIES, ask, check, expected, tagger

pytestmark = pytest.mark.filterwarnings("ignore:.*(deprecated|real words)")

TEXTS = ("Ada Lovelace lives in Paris.", "", "ünïcödé 日本語 🙂, and more of it", "  blanks  ", "x")
LONG = "Copyright owners and the Licensor shall mean the legal entity that is granting this. " * 9


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.value)
def test_entities_are_the_pipelines(strategy: AggregationStrategy) -> None:
    check(tagger(), TEXTS, ask(*TEXTS, strategy=strategy), aggregation_strategy=strategy.value)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=14), st.sampled_from(STRATEGIES))
def test_any_text(text: str, strategy: AggregationStrategy) -> None:
    check(tagger(), (text,), ask(text, strategy=strategy), aggregation_strategy=strategy.value)


OPTIONS = [
    pytest.param({"ignore_labels": []}, id="no label ignored"),
    pytest.param({"ignore_labels": ["I-PER", "B-LOC"]}, id="labels ignored"),
    pytest.param({"aggregation_strategy": "Average"}, id="in any case of letters"),
    pytest.param({"aggregation_strategy": "simple", "ignore_labels": ["PER"]}, id="groups ignored"),
    pytest.param({"grouped_entities": True}, id="grouped, the older option"),
    pytest.param({"grouped_entities": True, "ignore_subwords": True}, id="whole words, the older option"),
    pytest.param({"grouped_entities": False, "aggregation_strategy": "simple"}, id="the older option comes first"),
    pytest.param({"aggregation_strategy": None, "ignore_labels": None, "stride": None}, id="nulls are no values"),
    pytest.param({"is_split_into_words": False}, id="not split"),
    pytest.param({"batch_size": 4}, id="how the pipeline runs"),
]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_mean_what_the_pipeline_means(options: dict[str, Any]) -> None:
    check(tagger(), TEXTS, ask(*TEXTS, **options), **options)


def test_the_saved_strategy_is_the_default() -> None:
    model = artifact("tagger-grouping")
    check(model, TEXTS, ask(*TEXTS), aggregation_strategy="simple")
    check(model, TEXTS, ask(*TEXTS, strategy=AggregationStrategy.NONE))


@pytest.mark.parametrize("stride", [0, 7, 61])
@pytest.mark.parametrize("strategy", STRATEGIES[1:], ids=lambda strategy: strategy.value)
def test_windows_are_the_pipelines(stride: int, strategy: AggregationStrategy) -> None:
    texts = (LONG[:300], "short", LONG[40:333])
    options = {"stride": stride, "aggregation_strategy": strategy.value}
    prepared = prepare(ask(*texts, **options), tagger())
    assert len(prepared.items) > 3
    assert max(item.length for item in prepared.items) == 64
    assert prepared.warnings == ()
    check(tagger(), texts, ask(*texts, **options), **options)


def test_windows_without_a_strategy() -> None:
    """The pipeline gives the tokens their places in their windows, which say nothing."""
    model = tagger()
    [result] = answer(prepare(ask(LONG, stride=8), model), model).results
    records = [{**record, "index": None} for record in model.pipeline(LONG, stride=8)]
    assert result == expected(records)


def test_without_a_stride_a_long_text_is_cut_with_a_warning() -> None:
    prepared = prepare(ask("x", LONG, strategy=AggregationStrategy.SIMPLE), tagger())
    assert [item.length for item in prepared.items] == [3, 64]
    assert len(prepared.warnings) == 1
    assert prepared.warnings[0].startswith("inputs[1]: the model reads 64 tokens")
    check(tagger(), (LONG,), ask(LONG))


BAD = [
    pytest.param(ask(), {}, "inputs", id="no inputs"),
    pytest.param(ask("a", "b", "c"), {"max_inputs": 2}, "inputs", id="too many inputs"),
    pytest.param(ask("a", "bbb"), {"max_text_chars": 2}, "inputs[1]", id="too many characters"),
    pytest.param(ask("a", aggregation_strategy="most"), {}, "parameters.aggregation_strategy", id="no strategy"),
    pytest.param(ask("a", aggregation_strategy=1), {}, "parameters.aggregation_strategy", id="no text"),
    pytest.param(ask("a", ignore_labels="O"), {}, "parameters.ignore_labels", id="no list of labels"),
    pytest.param(ask("a", ignore_labels=[1]), {}, "parameters.ignore_labels", id="a list of no labels"),
    pytest.param(ask("a", stride=-1), {}, "parameters.stride", id="a stride back"),
    pytest.param(ask("a", stride=True), {}, "parameters.stride", id="no stride"),
    pytest.param(ask("a", stride=62), {}, "parameters.stride", id="a stride of a whole window"),
    pytest.param(ask("a", stride=10**12), {}, "parameters.stride", id="a stride beyond all windows"),
    pytest.param(ask(LONG, stride=61), {"max_inputs": 99}, "inputs", id="too many windows"),
    pytest.param(
        ask("a", stride=4, strategy=AggregationStrategy.NONE), {}, "aggregation_strategy", id="windows of tokens"
    ),
    pytest.param(
        ask("a", stride=4, aggregation_strategy="none"),
        {},
        "parameters.aggregation_strategy",
        id="the same, saved",
    ),
    pytest.param(ask("a", is_split_into_words=True), {}, "parameters.is_split_into_words", id="split into words"),
]


@pytest.mark.parametrize(("request_", "limits", "field"), BAD)
def test_what_can_not_be_used_is_named(request_: ClassifyTokensRequest, limits: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(request_, tagger(**limits))
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize("option", ["offset_mapping", "top_k"])
def test_an_option_that_nothing_takes(option: str) -> None:
    with pytest.raises(UnsupportedParameter, match=rf"parameters\.{option}: the pipeline does not take it"):
        prepare(ask("a", **{option: 1}), tagger())


def test_a_row_in_a_batch_is_the_row_alone() -> None:
    model, backend = tagger(), EagerBackend(tagger())
    for strategy in STRATEGIES[1:]:
        prepared = prepare(ask(*TEXTS, LONG, strategy=strategy, stride=5), model)
        assert len({(item.run, item.alike) for item in prepared.items}) == 1
        whole = prepared.decode(together(backend, prepared.items))
        assert [_rounded(result) for result in whole.results] == [
            _rounded(result) for result in prepared.decode(alone(backend, prepared.items)).results
        ]


def _rounded(result: TokenClassificationResult) -> list[TokenEntity]:
    return [replace(entity, score=pytest.approx(entity.score, abs=1e-5)) for entity in result.entities]


def test_items_hold_what_the_model_reads_alone() -> None:
    [item] = prepare(ask("a text"), tagger()).items
    assert set(item.arrays) == {"input_ids", "token_type_ids", "attention_mask"}


def test_the_probe_is_a_call() -> None:
    assert answer(FAMILY.probe(artifact("tagger")), artifact("tagger")).results[0].entities
