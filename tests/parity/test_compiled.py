"""Compiled models against eager ones and mlflow.pyfunc: every family by both doors, and rows that no neighbour changes."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
from mlflow.pyfunc.scoring_server import invocations

from savor.accel.eager import EagerBackend
from savor.accel.plan import Accel
from savor.client import Client, connect
from savor.flavor import generation, replies, table
from savor.flavor.artifact import Artifact
from savor.flavor.families.text_classification import ClassifyTextRequest, TextClassificationInput, prepare
from savor.flavor.item import Item, Prepared, Row
from savor.flavor.probe import Probe
from tests import tiny_models
from tests.accel.batches import alone, batch, together
from tests.compiling import chosen
from tests.flavor.artifacts import artifact
from tests.parity import cases, models
from tests.parity.agreement import Body, agree, agree_in_words, of_mlflow, of_savor
from tests.parity.doors import DOORS
from tests.parity.models import Variant
from tests.parity.oracle import pyfunc
from tests.parity.test_exact_door import bodies, rows, written
from tests.serving import Serving

RECIPES = [name for name in tiny_models.RECIPES if name != "table-reader"]
"""Those that can be compiled: all but the one of TAPAS."""

TEXTS = (
    "a",
    "the work, and You",
    "日本語 {x}",
    "Licensed under the Apache License, Version 2.0 (the License), you may not use this file but in compliance with it",
)


VARIANTS = tuple({variant.door: variant for variant in reversed(models.VARIANTS)}.values())
"""The plainest model of each door."""

WAYS = [pytest.param(variant, id=variant.name) for variant in VARIANTS if variant.door != "table-question-answering"]


@pytest.fixture(scope="module")
def client(serving: Callable[..., Serving]) -> Iterator[Client]:
    """A client of a server with those models, compiled."""
    folders = [str(models.saved(way.values[0])) for way in WAYS]
    with connect(serving(*folders, accel="onnx").target) as connected:
        yield connected


@pytest.mark.slow
@pytest.mark.parametrize("variant", WAYS)
def test_the_typed_door(client: Client, variant: Variant, subtests: pytest.Subtests) -> None:
    door, predict = DOORS[variant.door], pyfunc(str(models.saved(variant))).predict
    for inputs in cases.inputs_of(variant, 0):
        with subtests.test(f"{inputs!r:.100}"):
            ours = of_savor(partial(door.ours, client, variant.name, inputs, {}))
            agree("compiled", ours, of_mlflow(partial(door.theirs, predict, inputs)))


@pytest.mark.slow
@pytest.mark.parametrize("variant", WAYS)
def test_the_exact_door(client: Client, variant: Variant) -> None:
    loaded = pyfunc(str(models.saved(variant)))
    schema = loaded.metadata.get_input_schema()
    for body in map(written, islice(bodies(rows(variant, 0)), 2)):
        theirs = of_mlflow(lambda body=body: Body(invocations(body, "application/json", loaded, schema).response))
        ours = of_savor(lambda body=body: Body(client.predict(body=body, model=variant.name).json))
        agree_in_words("compiled", ours, theirs)


@pytest.mark.slow
def test_every_model_is_compiled_indeed(client: Client) -> None:
    backends = [model.backend for model in client.list_models().models]
    assert len(backends) == len(WAYS)
    assert {(each.name, each.provider) for each in backends if each} == {("onnx", "CPUExecutionProvider")}


# A row is the same alone, in a batch, and run eager.


def near(ours: Sequence[Row], theirs: Sequence[Row], scale: float = 1.0) -> None:
    """Real numbers within 2e-5 of the largest, all else equal."""
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name, expected in other.items():
            exact = expected.dtype.kind != "f"
            within = 0.0 if exact else 2e-5 * max(scale, float(np.abs(expected).max(initial=0.0)))
            np.testing.assert_allclose(one[name], expected, rtol=0.0, atol=within, err_msg=name)


def generated(found: Sequence[Row]) -> list[Row]:
    """Rows of generated tokens without what fills a batch behind the end of each."""
    return [{str(i): tokens for i, tokens in enumerate(replies.generated(r))} if "lengths" in r else r for r in found]


def asked(model: Artifact) -> list[Prepared]:
    """Calls of the family that a model belongs to, of several lengths."""
    family = table.families_of(model.saved.family_task, model.saved.inference_task)[0]
    return [family.probe(model, Probe(text, 12)) for text in TEXTS]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_row_is_the_same_alone_in_a_batch_and_eager(recipe: str) -> None:
    compiled, backend = chosen(recipe)
    calls = asked(compiled)
    items = [item for call in calls for item in call.items]
    found = together(backend, items)
    near(generated(found), generated(alone(backend, items)))
    model = artifact(recipe)
    eager = EagerBackend(model)
    near(generated(found), generated(together(eager, [item for call in asked(model) for item in call.items])))
    eager.close()


@pytest.mark.parametrize("recipe", RECIPES)
def test_answers_are_those_of_the_eager_model(recipe: str) -> None:
    compiled, backend = chosen(recipe)
    model = artifact(recipe)
    eager = EagerBackend(model)
    for ours, theirs in zip(asked(compiled), asked(model), strict=True):
        expected = theirs.decode(alone(eager, theirs.items))
        agree_nearly(ours.decode(together(backend, ours.items)), expected)
    eager.close()


def agree_nearly(ours: Any, theirs: Any) -> None:
    """Two responses, equal but for real numbers."""
    assert type(ours) is type(theirs)
    if dataclasses.is_dataclass(ours):
        for field in dataclasses.fields(ours):
            agree_nearly(getattr(ours, field.name), getattr(theirs, field.name))
    elif isinstance(ours, tuple | list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            agree_nearly(one, other)
    elif isinstance(ours, float | np.ndarray):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)
    else:
        assert ours == theirs


def pairs(model: Artifact) -> tuple[Item, ...]:
    """Texts, pairs of texts, and one as long as the model reads."""
    given = [("a", None), ("the work", "and You"), ("Licensed under the", "License " * 6), ("work " * 25, None)]
    inputs = tuple(TextClassificationInput(*each) for each in given)
    return prepare(ClassifyTextRequest(inputs, {}), model).items


def test_pairs_and_texts_in_one_batch() -> None:
    compiled, backend = chosen("classifier")
    items = pairs(compiled)
    assert len({item.length for item in items}) == len(items)
    near(backend.run(batch(*items)), alone(backend, items))
    near(backend.run(batch(*items)), alone(EagerBackend(artifact("classifier")), pairs(artifact("classifier"))))


def recordings(model: Artifact) -> tuple[Item, ...]:
    """Two recordings of one length, which share a batch, and a shorter one."""
    family = table.families_of(model.saved.family_task)[0]
    return tuple(item for text in ("abcd", "wxyz", "ab") for item in family.probe(model, Probe(text, 12)).items)


@pytest.mark.parametrize("recipe", ["ctc", "audio-classifier", "whisper"])
def test_recordings_in_one_batch(recipe: str) -> None:
    compiled, backend = chosen(recipe)
    items = recordings(compiled)
    found = together(backend, items)
    near(found, alone(backend, items))
    near(found, alone(EagerBackend(artifact(recipe)), items))
    assert not all(np.array_equal(value, found[1][name]) for name, value in found[0].items())


GENERATIONS: Mapping[str, dict[str, Any]] = {
    "greedy": {},
    "a repetition penalty": {"repetition_penalty": 1.7},
    "no pair of tokens twice": {"no_repeat_ngram_size": 2},
    "beams": {"num_beams": 3},
    "several beams": {"num_beams": 3, "num_return_sequences": 2},
    "ends here and there": {"eos_token_id": [0, *range(300, 600)]},
    "penalties": {"frequency_penalty": 1.5, "presence_penalty": 0.5},
}
SAMPLED = {"do_sample": True, "temperature": 5.0, "top_k": 20}


def prompted(recipe: str, options: Mapping[str, Any], seed: int | None = None) -> list[Item]:
    """The prompts, as items that are run with these options."""
    run = generation.run({"max_new_tokens": 10, "do_sample": False, **options}, seed)
    items = [item for call in asked(artifact(recipe)) for item in call.items]
    return [dataclasses.replace(item, run=run) for item in items]


@pytest.mark.parametrize("recipe", ["generator", "text2text"])
@pytest.mark.parametrize("options", GENERATIONS.values(), ids=GENERATIONS)
def test_generated_tokens(recipe: str, options: dict[str, Any]) -> None:
    """Prompts are padded in front where a decoder goes on with them, and behind where an encoder reads them."""
    _, backend = chosen(recipe)
    items = prompted(recipe, options)
    found = generated(together(backend, items))
    near(found, generated(alone(backend, items)))
    near(found, generated(together(EagerBackend(artifact(recipe)), items)))


@pytest.mark.parametrize("recipe", ["generator", "text2text"])
def test_sampled_tokens_with_a_seed(recipe: str) -> None:
    _, backend = chosen(recipe)
    [item, *_] = prompted(recipe, SAMPLED, seed=7)
    [found] = generated([*backend.run(batch(item))])
    near([found], generated([*backend.run(batch(item))]))
    near([found], generated([*EagerBackend(artifact(recipe)).run(batch(item))]))
    [other] = generated(alone(backend, prompted(recipe, SAMPLED, seed=8)[:1]))
    assert found["0"].tolist() != other["0"].tolist()


@pytest.mark.parametrize("recipe", ["generator", "text2text"])
def test_streams(recipe: str) -> None:
    _, backend = chosen(recipe)
    items = prompted(recipe, {"max_new_tokens": 40})
    # A reader that falls behind skips steps.
    [*steps, last] = backend.stream(batch(*items))
    near(generated(last), generated(backend.run(batch(*items))))
    for step in steps:
        for grown, whole in zip(generated(step), generated(last), strict=True):
            assert grown["0"].tolist() == whole["0"].tolist()[: len(grown["0"])]


def test_a_stop_text_ends_its_own_sequence_alone() -> None:
    _, backend = chosen("generator")
    items = prompted("generator", {})
    expected = [row["0"].tolist() for row in generated(together(backend, items))]
    stopping = dataclasses.replace(items[1], ends=lambda tokens: len(tokens) >= 3)
    found = [row["0"].tolist() for row in generated(together(backend, [items[0], stopping, *items[2:]]))]
    assert found == [expected[0], expected[1][:3], *expected[2:]]


# Traced by torch.


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["classifier", "image-classifier"])
def test_models_that_torch_compiles(recipe: str) -> None:
    compiled, backend = chosen(recipe, Accel.COMPILE)
    assert (backend.info.name, backend.info.provider) == ("compile", "")
    assert backend.info.report is not None
    assert backend.info.report.passed
    items = [item for call in asked(compiled) for item in call.items]
    found = generated(together(backend, items))
    near(found, generated(alone(backend, items)))
    near(found, generated(together(EagerBackend(artifact(recipe)), items)))
