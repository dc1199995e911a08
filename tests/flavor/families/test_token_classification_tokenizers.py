"""token-classification with other tokenizers: that know words or no offsets, add nothing, or have no limit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import transformers

from savor.flavor.artifact import Artifact
from savor.flavor.encoding import TextEncoder
from savor.flavor.errors import InvalidInput
from savor.flavor.families.token_classification import AggregationStrategy, prepare
from tests import tiny_pipelines
from tests.flavor.artifacts import artifact
from tests.flavor.families.forward import answer
from tests.flavor.families.tagging import STRATEGIES, ask, check, expected, tagger

pytestmark = pytest.mark.filterwarnings("ignore:.*real words")

LONG = "word " * 99
WORDS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "ada", "lives", "in", "par", "##is", "##lace", "love", ".", "x"]


@pytest.fixture(scope="module")
def by_word(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tagger with a WordPiece tokenizer, which knows words, has few of them, and is fast or slow."""
    file = Path(tmp_path_factory.mktemp("words"), "vocab.txt")
    file.write_text("\n".join(WORDS))

    def make(kind: type) -> Artifact:
        own = kind(str(file), model_max_length=64)
        pipeline = transformers.pipeline("token-classification", model=tiny_pipelines.tagger().model, tokenizer=own)
        return replace(tagger(), pipeline=pipeline, encoder=TextEncoder(own, 64))

    return make


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.value)
def test_a_tokenizer_that_knows_words(by_word: Any, strategy: AggregationStrategy) -> None:
    texts = ("Ada Lovelace lives in Paris.", "ada 日本 x.")
    model = by_word(transformers.BertTokenizerFast)
    check(model, texts, ask(*texts, strategy=strategy), aggregation_strategy=strategy.value)


def test_a_word_that_the_tokenizer_does_not_know_is_the_texts(by_word: Any) -> None:
    model = by_word(transformers.BertTokenizerFast)
    [result] = answer(prepare(ask("ada Byron", ignore_labels=[]), model), model).results
    assert [entity.word for entity in result.entities] == ["ada", "Byron"]


@pytest.mark.parametrize("strategy", STRATEGIES[:2], ids=lambda strategy: strategy.value)
def test_a_slow_tokenizer_has_no_offsets(by_word: Any, strategy: AggregationStrategy) -> None:
    texts = ("Ada Lovelace lives in Paris.", "", "x " * 99)
    model = by_word(transformers.BertTokenizer)
    prepared = prepare(ask(*texts, strategy=strategy, ignore_labels=[]), model)
    results = answer(prepared, model).results
    options = {"aggregation_strategy": strategy.value, "ignore_labels": []}
    assert list(results) == [expected(model.pipeline(text, **options)) for text in texts]
    assert {(entity.start, entity.end) for result in results for entity in result.entities} == {(None, None)}
    assert [warning.partition(":")[0] for warning in prepared.warnings] == ["inputs[2]"]


def test_slow_tokenizers_cut_nothing_that_they_need_not(by_word: Any) -> None:
    assert prepare(ask("x " * 62), by_word(transformers.BertTokenizer)).warnings == ()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        pytest.param({"strategy": AggregationStrategy.FIRST}, "aggregation_strategy", id="words, by the request"),
        pytest.param({"aggregation_strategy": "max"}, "parameters.aggregation_strategy", id="words, by a parameter"),
        pytest.param({"stride": 4}, "parameters.stride", id="windows"),
    ],
)
def test_what_a_slow_tokenizer_can_not_do(by_word: Any, given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(ask("x", **given), by_word(transformers.BertTokenizer))
    assert [violation.field for violation in caught.value.violations] == [field]


def test_a_model_with_fewer_positions_than_its_tokenizer_knows() -> None:
    """The pipeline fails in torch."""
    own = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tiny_pipelines.tokenizer(bert=True).backend_tokenizer, pad_token="[PAD]"
    )
    pipeline = transformers.pipeline("token-classification", model=artifact("tagger").pipeline.model, tokenizer=own)
    model = replace(tagger(), pipeline=pipeline, encoder=TextEncoder(own, 64))
    assert [item.length for item in prepare(ask(LONG), model).items] == [64]
    unlimited = replace(model, encoder=TextEncoder(own, None))
    assert prepare(ask(LONG, stride=3), unlimited).items[0].length > 64


def test_a_text_of_no_tokens() -> None:
    """With a tokenizer that adds none of its own there would be nothing to run."""
    own = tiny_pipelines.tokenizer(bert=False)
    pipeline = transformers.pipeline("token-classification", model=artifact("tagger").pipeline.model, tokenizer=own)
    with pytest.raises(InvalidInput, match=r"inputs\[1\]: has no tokens"):
        prepare(ask("a", ""), replace(tagger(), pipeline=pipeline, encoder=TextEncoder(own, 64)))
