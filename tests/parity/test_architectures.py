"""Many architectures in batches of unlike texts against mlflow.pyfunc, which runs the texts one by one."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pytest
from transformers import Pipeline

from savor.accel.backend import Batch
from savor.accel.eager import EagerBackend
from savor.flavor import saved, table
from savor.flavor.artifact import Artifact
from savor.flavor.families.feature_extraction import ExtractFeaturesRequest
from savor.flavor.families.fill_mask import FillMaskRequest
from savor.flavor.families.question_answering import AnswerQuestionRequest, QuestionAnsweringInput
from savor.flavor.families.text2text import TransformTextRequest
from savor.flavor.families.text_classification import ClassifyTextRequest, TextClassificationInput
from savor.flavor.families.text_generation import GenerateTextRequest
from savor.flavor.families.token_classification import ClassifyTokensRequest
from savor.flavor.item import Item, Prepared, Row
from savor.flavor.load import LoadOptions, load
from tests import tiny_models
from tests.accel.batches import batch
from tests.parity.architectures import DECODERS, ENCODER_DECODERS, ENCODERS, decoder, encoder, encoder_decoder

TEXTS = ("a", "the work, and You", "Licensed under the Apache License, Version 2.0", "x { y } 'z'", "日本語")
MASKED = ("[MASK] a", "the [MASK], and You", "Licensed under the Apache [MASK]")
QUESTIONS = (("what?", "the work, and You shall see it"), ("who?", "Licensed under the Apache License. " * 6))
GREEDY = {"max_new_tokens": 8, "do_sample": False}


def answered(prepared: Prepared, model: Artifact) -> Any:
    """The response, its items run in as few batches as may be."""
    lanes: dict[Any, list[int]] = {}
    for index, item in enumerate(prepared.items):
        lanes.setdefault((item.run, item.alike), []).append(index)
    rows: dict[int, Row] = {}
    backend = EagerBackend(model)
    for lane in lanes.values():
        items: list[Item] = [prepared.items[index] for index in lane]
        whole: Batch = batch(*items)
        rows |= dict(zip(lane, backend.run(whole), strict=True))
    return prepared.decode([rows[index] for index in range(len(prepared.items))])


def both(pipeline: Pipeline, folder: Path, request: Any, data: Any, **arguments: Any) -> tuple[Any, Any]:
    """Our results and MLflow's prediction for a pipeline that is saved and loaded."""
    tiny_models.save(pipeline, folder, **arguments)
    model = load(saved.read(folder), LoadOptions())
    family = table.families_of(model.saved.family_task)[0]
    rpc = next(rpc for rpc in family.methods if family.serves(rpc, model.saved.family_task))
    response = answered(rpc.prepare(request, model), model)  # type: ignore[union-attr]
    return response.results, mlflow.pyfunc.load_model(str(folder)).predict(data)


@pytest.mark.parametrize("name", ENCODERS)
def test_classification(name: str, tmp_path: Path) -> None:
    request = ClassifyTextRequest(tuple(map(TextClassificationInput, TEXTS)), {})
    pipeline = encoder(name, "ForSequenceClassification", "text-classification")
    ours, theirs = both(pipeline, tmp_path / "model", request, list(TEXTS))
    assert [result.labels[0].label for result in ours] == list(theirs["label"])
    assert [result.labels[0].score for result in ours] == pytest.approx(list(theirs["score"]), abs=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_features(name: str, tmp_path: Path) -> None:
    pipeline = encoder(name, "Model", "feature-extraction")
    ours, theirs = both(pipeline, tmp_path / "model", ExtractFeaturesRequest(TEXTS, {}), list(TEXTS))
    assert ours[0].features == pytest.approx(theirs, abs=1e-4)


@pytest.mark.parametrize("strategy", ["none", "max"])
@pytest.mark.parametrize("name", ENCODERS)
def test_entities(name: str, strategy: str, tmp_path: Path) -> None:
    config = {"aggregation_strategy": strategy, "ignore_labels": []}
    pipeline = encoder(name, "ForTokenClassification", "token-classification")
    request = ClassifyTokensRequest(TEXTS, {})
    ours, theirs = both(pipeline, tmp_path / "model", request, list(TEXTS), model_config=config)
    assert [",".join(entity.label for entity in result.entities) for result in ours] == theirs


@pytest.mark.parametrize("name", ENCODERS)
def test_masks(name: str, tmp_path: Path) -> None:
    pipeline = encoder(name, "ForMaskedLM", "fill-mask")
    ours, theirs = both(pipeline, tmp_path / "model", FillMaskRequest(MASKED, {}), list(MASKED))
    assert [result.masks[0].candidates[0].token.strip() for result in ours] == theirs


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "ModernBert"])
def test_answers(name: str, tmp_path: Path) -> None:
    pipeline = encoder(name, "ForQuestionAnswering", "question-answering")
    request = AnswerQuestionRequest(tuple(QuestionAnsweringInput(*each) for each in QUESTIONS), {})
    data = [{"question": question, "context": context} for question, context in QUESTIONS]
    ours, theirs = both(pipeline, tmp_path / "model", request, data)
    assert [result.answers[0].text.strip() for result in ours] == theirs


GENERATING: Mapping[str, tuple[Callable[[str], Pipeline], Sequence[str]]] = {
    "decoder": (decoder, tuple(DECODERS)),
    "encoder-decoder": (encoder_decoder, tuple(ENCODER_DECODERS)),
}
CASES = [
    pytest.param(make, name, beams, id=f"{name}-{beams}")
    for make, names in GENERATING.values()
    for name in names
    for beams in (1, 3)
]


@pytest.mark.parametrize(("make", "name", "beams"), CASES)
def test_generation(make: Callable[[str], Pipeline], name: str, beams: int, tmp_path: Path) -> None:
    config = {**GREEDY, "num_beams": beams}
    request = (GenerateTextRequest if make is decoder else TransformTextRequest)(TEXTS, {})
    ours, theirs = both(make(name), tmp_path / "model", request, list(TEXTS), model_config=config)
    assert [result.sequences[0].text.strip() for result in ours] == theirs
