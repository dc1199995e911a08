"""FillMask against mlflow.pyfunc: the same best token for each mask, and the sane thing where MLflow has a defect."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from mlflow.models import infer_signature

from savor import codec
from savor.v1 import fill_mask_pb2 as pb
from savor.v1.fill_mask_pb2_grpc import FillMaskServiceStub
from tests import tiny_models, tiny_pipelines
from tests.parity.oracle import pyfunc

MODELS = ("masker", "masker-with-template")
TEXTS = [
    "one [MASK] text",
    "[MASK]",
    "  blanks [MASK]  ",
    "ünïcödé [MASK] 🙂",
    "{braces} [MASK] {prompt}",
    "123 [MASK]",
]


@pytest.fixture(scope="module")
def with_params(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A masker whose signature has parameters."""
    folder = Path(tmp_path_factory.mktemp("masker"), "masker-with-params")
    signature = infer_signature("a", "b", {"top_k": 3, "targets": ["ex", "tions"]})
    return str(tiny_models.save(tiny_pipelines.masker(), folder, signature=signature))


@pytest.fixture(scope="module")
def stub(serving, with_params):
    with grpc.insecure_channel(serving(*MODELS, with_params).target) as channel:
        yield FillMaskServiceStub(channel)


def fill(stub: Any, model: str, *texts: str, **fields: Any) -> pb.FillMaskResponse:
    return stub.FillMask(pb.FillMaskRequest(model=Path(model).name, inputs=texts, **fields))


def flat(response: pb.FillMaskResponse) -> list[list[str]]:
    """The best token of each mask of each text, stripped."""
    return [[mask.candidates[0].token.strip() for mask in result.masks] for result in response.results]


def extra(**values: Any) -> pb.FillMaskParameters:
    return pb.FillMaskParameters(extra={key: codec.to_param_value(value) for key, value in values.items()})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_one_text(stub: Any, model: str, text: str) -> None:
    assert flat(fill(stub, model, text)) == [pyfunc(model).predict(text)]


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_in_order(stub: Any, model: str) -> None:
    expected = pyfunc(model).predict(TEXTS)
    assert len(set(expected)) > 1
    assert flat(fill(stub, model, *TEXTS)) == [[token] for token in expected]


@pytest.mark.parametrize(
    "params", [{}, {"top_k": 1}, {"targets": ["ces"]}, {"targets": ["ces", "Licensor"], "top_k": 5}], ids=str
)
def test_parameters(stub: Any, with_params: str, params: dict[str, Any]) -> None:
    expected = pyfunc(with_params).predict(TEXTS, params=params)
    response = fill(stub, with_params, *TEXTS, parameters=extra(**params))
    assert flat(response) == [[token] for token in expected]


def test_the_signatures_top_k_is_the_default(stub: Any, with_params: str) -> None:
    counts = [
        len(fill(stub, with_params, "a [MASK]", **fields).results[0].masks[0].candidates)
        for fields in ({}, {"top_k": 1}, {"targets": ["ces", "ex", "tions"]})
    ]
    assert counts == [2, 1, 3]


def test_masks_are_grouped_by_text(stub: Any) -> None:
    """B6: two masks of one text and two texts of one mask look alike in MLflow, and a mixed batch has both forms."""
    two = "two [MASK] of [MASK] them"
    flattened, mixed = pyfunc("masker").predict(two), pyfunc("masker").predict([two, "one [MASK]"])
    assert [type(token) for token in flattened] == [str, str]
    assert [type(each) for each in mixed] == [list, str]
    assert flat(fill(stub, "masker", two)) == [flattened]
    assert flat(fill(stub, "masker", two, "one [MASK]")) == [mixed[0], [mixed[1]]]


def test_a_text_without_a_mask_is_the_callers_mistake(stub: Any) -> None:
    """B17: MLflow's error for it has no code of its own."""
    with pytest.raises(Exception, match=r"No mask_token"):
        pyfunc("masker").predict("no mask")
    with pytest.raises(grpc.RpcError) as caught:
        fill(stub, "masker", "a [MASK]", "no mask")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "inputs[1]: has no mask that the model reads: write [MASK] in it" in caught.value.details()
