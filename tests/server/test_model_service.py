"""What ModelService tells of a model in service: its words, its papers and what was found at loading."""

import json
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from savor.flavor import papers
from savor.v1 import model_pb2, model_pb2_grpc
from tests import tiny_models
from tests.serving import Serving


def _get(target: str, model: str) -> model_pb2.Model:
    with grpc.insecure_channel(target) as channel:
        return model_pb2_grpc.ModelServiceStub(channel).GetModel(model_pb2.GetModelRequest(model=model)).model


def _list(target: str) -> list[model_pb2.Model]:
    with grpc.insecure_channel(target) as channel:
        return list(model_pb2_grpc.ModelServiceStub(channel).ListModels(model_pb2.ListModelsRequest()).models)


@pytest.fixture
def documented(tmp_path: Path, serving: Callable[..., Serving]) -> Serving:
    """A classifier with papers and a model_config, one of whose overrides is for a key that was not saved."""
    folder = tiny_models.edited(tiny_models.saved("generator-bare"), tmp_path / "documented", lambda words: None)
    (folder / "model_card.md").write_text("# A card\n" + "x" * 200_000)
    (folder / "LICENSE.txt").unlink()
    (folder / "LICENSE").write_text("MIT License\n")
    return serving(str(folder), model_config={"max_new_tokens": 3, "top_k": 5})


def test_a_models_papers_and_warnings(documented: Serving) -> None:
    model = _get(documented.target, "documented")
    assert model.license == "MIT License\n"
    assert model.model_card.startswith("# A card\n")
    assert 100_000 <= len(model.model_card) < 100_100
    assert any("overrides were ignored" in warning and "top_k" in warning for warning in model.warnings)
    assert any("its signature has no parameters" in warning for warning in model.warnings)


def test_the_list_has_warnings_and_no_papers(documented: Serving) -> None:
    (model,) = _list(documented.target)
    assert (model.license, model.model_card) == ("", "")
    assert list(model.warnings) == list(_get(documented.target, "documented").warnings)


def test_a_language_model_task(serving: Callable[..., Serving]) -> None:
    model = _get(serving("llm-completions").target, "llm-completions")
    assert (model.inference_task, model.task) == ("llm/v1/completions", "text-generation")


def test_a_model_without_papers_of_its_own(serving: Callable[..., Serving]) -> None:
    model = _get(serving("classifier-with-params").target, "classifier-with-params")
    assert model.model_card == ""
    assert papers.is_stand_in(model.license)
    assert (model.inference_task, list(model.warnings)) == ("", [])


def test_a_models_parameters(serving: Callable[..., Serving]) -> None:
    model = _get(serving("classifier-with-params").target, "classifier-with-params")
    told = [(each.name, each.type, each.default_value.WhichOneof("kind")) for each in model.parameters]
    assert told == [("top_k", "long", "int_value"), ("function_to_apply", "string", "string_value")]
    assert json.loads(model.signature_json)["inputs"]


@pytest.fixture(scope="module")
def compiling(serving: Callable[..., Serving]) -> Serving:
    """A server as by default: it compiles what it can."""
    return serving("classifier", "generator", "table-reader", accel="auto")


@pytest.mark.parametrize("name", ["classifier", "generator"])
def test_a_compiled_model_tells_what_its_verification_found(compiling: Serving, name: str) -> None:
    backend = _get(compiling.target, name).backend
    assert (backend.name, backend.device, backend.precision) == ("onnx", "cpu", "fp32")
    assert (backend.provider, backend.not_compiled_reason) == ("CPUExecutionProvider", "")
    report = backend.report
    assert (report.precision, report.allowed_difference, report.asked_agreement) == ("fp32", 1e-3, 1.0)
    assert 0 < report.mean_difference < report.largest_difference < report.allowed_difference
    assert report.agreement == 1.0
    assert report.largest_difference == max(probe.largest_difference for probe in report.probes)
    assert len({probe.name for probe in report.probes}) == len(report.probes) >= 5


def test_the_list_tells_the_same(compiling: Serving) -> None:
    listed = {model.name: model.backend for model in _list(compiling.target)}
    assert listed == {name: _get(compiling.target, name).backend for name in listed}


def test_a_model_that_can_not_be_compiled_tells_why(compiling: Serving) -> None:
    backend = _get(compiling.target, "table-reader").backend
    assert (backend.name, backend.provider, backend.HasField("report")) == ("eager", "", False)
    assert "no ONNX export for the pipeline task table-question-answering" in backend.not_compiled_reason


def test_a_model_that_is_eager_as_asked(serving: Callable[..., Serving]) -> None:
    backend = _get(serving("classifier-with-params").target, "classifier-with-params").backend
    assert (backend.name, backend.not_compiled_reason) == ("eager", "accel is eager")


def test_an_unknown_model(serving: Callable[..., Serving]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        _get(serving("classifier-with-params").target, "nobody")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
