"""Which backend runs a model: compiled and verified, or eager with the reason why not; and what is kept for the next time."""

import gc
import logging
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import peft
import pytest
import torch
import transformers
from onnx import numpy_helper

from savor.accel import choice, content, export
from savor.accel.cache import Cache
from savor.accel.choice import choose
from savor.accel.eager import EagerBackend
from savor.accel.onnx import OnnxBackend
from savor.accel.plan import Accel, Plan
from savor.accel.verification import Verification
from savor.flavor.errors import LoadRefused
from tests import tiny_models, tiny_pipelines
from tests.accel.batches import alone
from tests.compiling import chosen, fresh, plan


class Counted:
    """A function that counts its calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.calls = 0

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        return self._function(*arguments)


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The exports that a test makes."""
    counted = Counted(export.export)
    monkeypatch.setattr(export, "export", counted)
    return counted


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The verifications that a test makes."""
    counted = Counted(Verification.compare)
    monkeypatch.setattr(Verification, "compare", lambda *arguments: counted(*arguments))
    return counted


def kept(folder: Path, accel: Accel = Accel.AUTO, **more: Any) -> Plan:
    """A plan with a cache of its own, as a process that starts has it."""
    return plan(accel, cache=Cache(folder, 1 << 30), **more)


# What can be compiled.


ENCODERS = ("classifier", "encoder", "tagger", "reader", "masker", "entailer", "image-classifier", "audio-classifier")
WRITERS = ("ctc", "generator", "text2text", "summarizer", "translator", "whisper", "llm-chat", "llm-embeddings")


@pytest.mark.parametrize("recipe", [*ENCODERS, *WRITERS])
def test_a_verified_model_is_served_compiled(recipe: str) -> None:
    artifact, backend = chosen(recipe, Accel.AUTO)
    info, report = backend.info, backend.info.report
    assert isinstance(backend, OnnxBackend)
    assert (info.name, info.device, info.precision, info.provider) == ("onnx", "cpu", "fp32", "CPUExecutionProvider")
    assert info.not_compiled_reason == ""
    assert report is not None
    assert report.passed
    assert report.agreement == 1.0
    # Nothing is exactly what it was: real numbers were compared, whatever the model gives.
    assert 0.0 < report.largest_difference < 1e-4
    assert len(report.probes) >= 5
    assert any("in a batch" in probe.name for probe in report.probes)
    assert "ORT" in type(artifact.pipeline.model).__name__


def test_a_model_that_no_export_knows_runs_eager_with_the_reason(tmp_path: Path) -> None:
    given = fresh("table-reader")
    artifact, backend = choose(given, kept(tmp_path))
    assert artifact is given
    assert isinstance(backend, EagerBackend)
    reason = "optimum has no ONNX export for the pipeline task table-question-answering"
    assert (backend.info.name, backend.info.not_compiled_reason) == ("eager", reason)
    with pytest.raises(LoadRefused, match=f"accel is onnx, but {reason}"):
        choose(given, kept(tmp_path, Accel.ONNX))


def test_an_export_that_fails_is_told_without_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"no operator in {tmp_path}\nand more")

    monkeypatch.setattr("optimum.exporters.onnx.onnx_export_from_model", failing)
    _, backend = choose(fresh("classifier"), kept(tmp_path))
    expected = "optimum can't export a BertForSequenceClassification"
    assert backend.info.not_compiled_reason == f"{expected}: RuntimeError"
    with pytest.raises(LoadRefused, match=f"{expected}: no operator in {tmp_path}$"):
        choose(fresh("classifier"), kept(tmp_path, Accel.ONNX))


def test_eager_is_eager() -> None:
    given = fresh("classifier")
    artifact, backend = choose(given, plan(Accel.EAGER))
    assert artifact is given
    assert (backend.info.name, backend.info.not_compiled_reason) == ("eager", "accel is eager")


REFUSED = [
    pytest.param({"precision": "bf16"}, "has no bf16", id="bf16"),
    pytest.param({"provider": "cuda"}, "provider cuda does not run models that are on the device cpu", id="cuda"),
    pytest.param({"provider": "tensorrt"}, "provider tensorrt does not run models", id="TensorRT"),
]


@pytest.mark.parametrize(("asked", "words"), REFUSED)
def test_what_this_machine_can_not_do_is_refused_in_words(asked: dict[str, Any], words: str, exports: Counted) -> None:
    given = plan(Accel.ONNX, **asked)
    with pytest.raises(LoadRefused, match=words):
        choose(fresh("classifier", given.dtype), given)
    _, backend = choose(fresh("classifier", given.dtype), plan(Accel.AUTO, **asked))
    assert words in backend.info.not_compiled_reason
    assert exports.calls == 0


def test_a_provider_that_onnx_runtime_lacks_is_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with a GPU, and the ONNX Runtime of CPUs."""
    monkeypatch.setattr(choice, "_runtime", lambda *_: choice.Runtime("cuda:0", "cuda"))
    with pytest.raises(LoadRefused, match="that is installed has no CUDAExecutionProvider: install savor"):
        choose(fresh("classifier"), plan(Accel.ONNX))


def test_a_session_that_fell_back_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there is a GPU's ONNX Runtime whose libraries don't load: it runs on the CPU, and says nothing."""
    monkeypatch.setattr(choice, "_runtime", lambda *_: choice.Runtime("cuda:0", "cuda"))
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.raises(LoadRefused, match="accel is onnx"):
        choose(fresh("classifier"), kept(tmp_path, Accel.ONNX))


def test_eight_bits_want_onnx() -> None:
    with pytest.raises(LoadRefused, match="torch has no int8 here"):
        choose(fresh("classifier"), plan(Accel.EAGER, precision="int8"))
    with pytest.raises(LoadRefused, match=r"torch\.compile has no int8"):
        choose(fresh("classifier"), plan(Accel.COMPILE, precision="int8"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_models_that_were_saved_in_half(dtype: str, tmp_path: Path) -> None:
    pipeline = tiny_pipelines.classifier()
    folder = tiny_models.save(pipeline, tmp_path / "half", torch_dtype=f"torch.{dtype}")
    short = {"float16": "fp16", "bfloat16": "bf16"}[dtype]
    _, backend = choose(fresh(folder), plan(Accel.AUTO))
    assert (backend.info.name, backend.info.precision) == ("eager", short)
    assert f"ONNX Runtime has {'no ' * (short == 'bf16')}{short} for" in backend.info.not_compiled_reason
    _, full = choose(fresh(folder, "float32"), plan(Accel.ONNX, precision="fp32"))
    assert (full.info.name, full.info.precision) == ("onnx", "fp32")


# What is verified before it serves.


def altered(change: Callable[[Any], Any], name: str) -> Callable[..., None]:
    """An export whose graphs have this weight changed."""
    original = export.export

    def exported(artifact: Any, folder: Path) -> None:
        original(artifact, folder)
        changed = 0
        for file in folder.glob("*.onnx"):
            graph = onnx.load(file)
            for tensor in graph.graph.initializer:
                if name in tensor.name:
                    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), tensor.name))
                    changed += 1
            onnx.save(graph, file)
        assert changed, f"no weight is named {name}"

    return exported


def _larger(weight: Any) -> Any:
    return weight * np.float32(1.05)


def _one_of_them(weight: Any) -> Any:
    weight.flat[0] += 1.0
    return weight


def _one_nan(weight: Any) -> Any:
    weight.flat[0] = np.nan
    return weight


CORRUPTIONS = [
    pytest.param("classifier", "word_embeddings", _larger, id="embeddings a bit larger"),
    pytest.param("classifier", "embeddings.LayerNorm.weight", _larger, id="a small weight a bit larger"),
    pytest.param("classifier", "layer.0.intermediate.dense.bias", _one_of_them, id="one number of a bias"),
    pytest.param("classifier", "pooler.dense.weight", np.zeros_like, id="a layer gone"),
    pytest.param("encoder", "word_embeddings", _one_nan, id="a NaN"),
    pytest.param("generator", "h.0.ln_1.weight", _larger, id="a decoder's small weight a bit larger"),
    pytest.param("generator", "wpe", lambda weight: weight[::-1].copy(), id="a decoder's positions"),
    pytest.param("text2text", "decoder.block.0.layer.0.layer_norm", _larger, id="the second of two graphs"),
    pytest.param("ctc", "feature_projection.layer_norm.weight", _larger, id="CTC"),
]


@pytest.mark.parametrize(("recipe", "weight", "change"), CORRUPTIONS)
def test_a_corrupted_export_is_caught(
    recipe: str, weight: str, change: Callable[[Any], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "export", altered(change, weight))
    given = fresh(recipe)
    artifact, backend = choose(given, kept(tmp_path))
    assert artifact is given
    assert backend.info.name == "eager"
    assert backend.info.not_compiled_reason.startswith("the compiled model differs from the eager one: largest diff")
    with pytest.raises(LoadRefused, match=r"accel is onnx, but the compiled model differs .* over \d+ probes"):
        choose(fresh(recipe), kept(tmp_path, Accel.ONNX))


def test_what_differed_is_remembered_and_its_graphs_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(altered(np.zeros_like, "classifier.weight"))
    monkeypatch.setattr(export, "export", counted)
    reasons = {choose(fresh("classifier"), kept(tmp_path))[1].info.not_compiled_reason for _ in range(3)}
    assert counted.calls == 1
    assert len(reasons) == 1
    [entry] = Cache(tmp_path, 1).entries()
    assert entry.manifest["report"]["passed"] is False
    assert [file.name for file in entry.folder.iterdir()] == ["savor.json"]


def test_graphs_that_do_not_open_are_told_without_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_short(artifact: Any, folder: Path) -> None:
        (folder / "config.json").write_text(artifact.pipeline.model.config.to_json_string())
        (folder / "model.onnx").write_bytes(b"\x08\x07")

    monkeypatch.setattr(export, "export", cut_short)
    _, backend = choose(fresh("classifier"), kept(tmp_path))
    assert backend.info.not_compiled_reason.startswith("ONNX Runtime can't open the graphs: ")
    assert str(tmp_path) not in backend.info.not_compiled_reason
    assert Cache(tmp_path, 1).entries() == []


@pytest.mark.parametrize("accel", [Accel.ONNX, Accel.COMPILE])
def test_a_model_that_can_read_no_probe_is_not_verified(accel: Accel, tmp_path: Path, exports: Counted) -> None:
    def edit(words: dict[str, Any]) -> None:
        words["flavors"]["python_function"]["config"] = {"no_such_option": 1}

    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "odd", edit)
    _, backend = choose(fresh(folder), kept(tmp_path / "cache"))
    assert "can read none of the probes" in backend.info.not_compiled_reason
    with pytest.raises(LoadRefused, match="it can't be verified"):
        choose(fresh(folder), kept(tmp_path / "cache", accel))
    assert exports.calls == 0


def test_a_model_that_fails_eager_is_not_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        raise ValueError(f"not with {tmp_path}")

    monkeypatch.setattr(EagerBackend, "run", failing)
    _, backend = choose(fresh("classifier"), kept(tmp_path))
    assert backend.info.not_compiled_reason == "it can't be verified: the eager model fails on the probes"


# What is kept.


def test_a_second_start_neither_exports_nor_verifies(tmp_path: Path, exports: Counted, comparisons: Counted) -> None:
    _, first = choose(fresh("classifier"), kept(tmp_path))
    assert (exports.calls, comparisons.calls) == (1, 1)
    _, second = choose(fresh("classifier"), kept(tmp_path))
    assert (exports.calls, comparisons.calls) == (1, 1)
    assert second.info == first.info
    assert second.info.report is not None


@pytest.mark.parametrize("damage", ["a graph", "the report"])
def test_an_entry_that_is_damaged_is_made_anew(
    damage: str, tmp_path: Path, exports: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    choose(fresh("classifier"), kept(tmp_path))
    [entry] = Cache(tmp_path, 1 << 30).entries()
    file = entry.folder / {"a graph": "model.onnx", "the report": "savor.json"}[damage]
    content_ = bytearray(file.read_bytes())
    content_[len(content_) // 2] ^= 1
    file.write_bytes(content_)
    with caplog.at_level(logging.WARNING, "savor"):
        _, backend = choose(fresh("classifier"), kept(tmp_path))
    assert (backend.info.name, exports.calls) == ("onnx", 2)
    assert "a compiled model is of no use" in caplog.text
    [anew] = Cache(tmp_path, 1 << 30).entries()
    anew.check()
    assert anew.key == entry.key


def test_what_other_versions_made_is_not_used(
    tmp_path: Path, exports: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(fresh("classifier"), kept(tmp_path))
    versions = content.versions()
    monkeypatch.setattr(content, "versions", lambda: {**versions, "optimum": "99"})
    _, backend = choose(fresh("classifier"), kept(tmp_path))
    assert (backend.info.name, exports.calls) == ("onnx", 2)
    entries = Cache(tmp_path, 1 << 30).entries()
    assert {entry.manifest["versions"]["optimum"] for entry in entries} == {versions["optimum"], "99"}


def test_precisions_do_not_share_an_entry(tmp_path: Path, exports: Counted) -> None:
    choose(fresh("classifier"), kept(tmp_path))
    _, backend = choose(fresh("classifier"), kept(tmp_path, precision="int8"))
    assert (backend.info.name, backend.info.precision, exports.calls) == ("onnx", "int8", 2)


@pytest.fixture
def no_folder(tmp_path: Path) -> Path:
    """A cache's folder that can't be: there is a file in its way."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "cache"


def test_a_cache_that_can_not_be_written(no_folder: Path) -> None:
    _, backend = choose(fresh("classifier"), kept(no_folder))
    assert backend.info.name == "eager"
    assert backend.info.not_compiled_reason == "the cache of compiled models can't be written"
    with pytest.raises(LoadRefused, match=f"the cache of compiled models can't be written: {no_folder}: "):
        choose(fresh("classifier"), kept(no_folder, Accel.ONNX))


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "model.onnx"))

    monkeypatch.setattr("optimum.exporters.onnx.onnx_export_from_model", lambda *_, **__: full())
    _, backend = choose(fresh("classifier"), kept(tmp_path))
    assert backend.info.not_compiled_reason == "the cache of compiled models has no room left"
    with pytest.raises(LoadRefused, match=f"has no room left: {tmp_path}: .*make room there"):
        choose(fresh("classifier"), kept(tmp_path, Accel.ONNX))
    assert list((tmp_path / "drafts").iterdir()) == []


_COMPILING = """
import sys, torch
torch.set_num_threads(1)
from pathlib import Path
from savor.accel import export
from savor.accel.choice import choose
from savor.accel.plan import Accel
from tests.accel.test_choice import Counted, kept
from tests.compiling import fresh
export.export = counted = Counted(export.export)
_, backend = choose(fresh(Path(sys.argv[1])), kept(Path(sys.argv[2]), Accel.ONNX))
print(backend.info.name, counted.calls)
"""


def test_two_processes_compile_a_model_once(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", _COMPILING, str(tiny_models.saved("classifier")), str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=200)[0].strip() for process in both)
    assert said == ["onnx 0", "onnx 1"]
    assert len(Cache(tmp_path, 1 << 30).entries()) == 1


# What is freed.


@pytest.mark.parametrize("recipe", ["classifier", "image-classifier", "ctc", "generator", "text2text", "whisper"])
def test_the_eager_model_is_freed(recipe: str) -> None:
    given = fresh(recipe)
    eager = weakref.ref(given.pipeline.model)
    weights = weakref.ref(next(given.pipeline.model.parameters()))
    _, backend = choose(given, plan(Accel.ONNX))
    del given
    gc.collect()
    assert (eager(), weights()) == (None, None)
    backend.close()


# Adapters.


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with an adapter that changes what it says."""
    folder = tmp_path_factory.mktemp("adapter")
    pipeline = tiny_pipelines.classifier()
    pipeline.model.save_pretrained(folder / "base")
    pipeline.tokenizer.save_pretrained(folder / "base")
    base = transformers.BertForSequenceClassification.from_pretrained(folder / "base")
    lora = peft.LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"], init_lora_weights=False)
    torch.manual_seed(7)
    tuned = peft.get_peft_model(base, lora).eval()
    made = transformers.pipeline("text-classification", model=tuned, tokenizer=pipeline.tokenizer)
    return tiny_models.save(made, folder / "model", base_model_path=str(folder / "base"))


def test_an_adapter_is_compiled_into_its_model(adapter: Path) -> None:
    given = fresh(adapter)
    items = choice.probes(given)["6 words"]
    eager = EagerBackend(given)
    expected = alone(eager, items)
    eager.close()
    _, backend = choose(given, plan(Accel.ONNX))
    np.testing.assert_allclose(alone(backend, items)[0]["output"], expected[0]["output"], atol=1e-4)
    _, base = chosen("classifier")
    assert not np.allclose(alone(base, items)[0]["output"], expected[0]["output"], atol=1e-2)


def test_an_adapter_that_is_not_compiled_answers_all_the_same(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its weights have been merged for the export by then."""
    monkeypatch.setattr(export, "export", altered(np.zeros_like, "classifier.weight"))
    given = fresh(adapter)
    items = choice.probes(given)["6 words"]
    before = alone(EagerBackend(given), items)
    _, backend = choose(given, kept(tmp_path))
    assert backend.info.name == "eager"
    np.testing.assert_allclose(alone(backend, items)[0]["output"], before[0]["output"], atol=1e-5)
