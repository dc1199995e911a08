"""What the operator must allow: every switch is asked for by name where it is needed, and nowhere else."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from savor.flavor import saved, trust
from savor.flavor.errors import LoadRefused
from savor.flavor.load import LoadOptions, load
from savor.flavor.saved import SavedModel
from savor.flavor.trust import Trust
from tests import tiny_models, tiny_pipelines

Edit = Callable[[dict[str, Any]], None]


def _flavor(**values: Any) -> Edit:
    return lambda words: words["flavors"]["transformers"].update(values)


def _pyfunc(**values: Any) -> Edit:
    return lambda words: words["flavors"]["python_function"].update(values)


NEEDS = [
    pytest.param(_flavor(code="code"), "allow_code", "code folder", id="code of the flavor"),
    pytest.param(_pyfunc(code="code"), "allow_code", "code folder", id="code of pyfunc"),
    pytest.param(_pyfunc(loader_module="evil.loader"), "allow_loader", "evil.loader", id="a loader of its own"),
    pytest.param(
        _flavor(pipeline_model_type="EvilModel"), "allow_remote_code", "EvilModel", id="an unknown model class"
    ),
    pytest.param(
        _flavor(tokenizer_type="EvilTokenizer"), "allow_remote_code", "EvilTokenizer", id="an unknown tokenizer"
    ),
    pytest.param(
        _flavor(processor_type="EvilProcessor"), "allow_remote_code", "EvilProcessor", id="an unknown processor"
    ),
    pytest.param(
        _flavor(source_model_revision="0123abc", source_model_name="acme/model"),
        "allow_hub",
        "acme/model",
        id="a reference",
    ),
]


def _edited(tmp_path: Path, edit: Edit) -> SavedModel:
    return saved.read(tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", edit))


@pytest.mark.parametrize(("edit", "switch", "named"), NEEDS)
def test_a_switch_is_needed_and_named(tmp_path: Path, edit: Edit, switch: str, named: str) -> None:
    model = _edited(tmp_path, edit)
    others = Trust(**{name: name != switch for name in trust.switches()})
    for given in (Trust(), others):
        with pytest.raises(LoadRefused) as caught:
            trust.check(model, given)
        assert f"switch: {switch} = true" in str(caught.value)
        assert named in str(caught.value)
        assert str(caught.value).count("switch:") == 1


@pytest.mark.parametrize(("edit", "switch", "named"), NEEDS)
def test_a_switch_allows(tmp_path: Path, edit: Edit, switch: str, named: str) -> None:
    trust.check(_edited(tmp_path, edit), replace(Trust(), **{switch: True}))


def test_every_need_is_named_at_once(tmp_path: Path) -> None:
    def edit(words: dict[str, Any]) -> None:
        for need in NEEDS:
            need.values[0](words)

    with pytest.raises(LoadRefused) as caught:
        trust.check(_edited(tmp_path, edit), Trust())
    for switch in ("allow_code", "allow_loader", "allow_remote_code", "allow_hub"):
        assert f"switch: {switch} = true" in str(caught.value)
    assert "EvilModel, EvilProcessor, EvilTokenizer" in str(caught.value)


def test_all_switches_are_off_by_default() -> None:
    assert trust.switches() == ("allow_code", "allow_loader", "allow_remote_code", "allow_pickle", "allow_hub")
    assert not any(getattr(Trust(), switch) for switch in trust.switches())


@pytest.mark.parametrize("recipe", tiny_models.RECIPES)
def test_no_false_alarm(recipe: str) -> None:
    trust.check(saved.read(tiny_models.saved(recipe)), Trust())


def test_a_base_model_on_disk_is_no_reference(tmp_path: Path) -> None:
    edit = _flavor(source_model_revision="0123abc", local_base_model_path=str(tmp_path))
    trust.check(_edited(tmp_path, edit), Trust())


def test_transformers_5s_name_of_a_tokenizer_is_no_stranger(tmp_path: Path) -> None:
    trust.check(_edited(tmp_path, _flavor(tokenizer_type="TokenizersBackend")), Trust())


def test_code_that_mlflow_saved(tmp_path: Path) -> None:
    code = tmp_path / "helpers.py"
    code.write_text("VALUE = 1\n")
    pipeline = tiny_pipelines.classifier()
    folder = tiny_models.save(pipeline, tmp_path / "model", code_paths=[str(code)])
    with pytest.raises(LoadRefused, match="allow_code"):
        trust.check(saved.read(folder), Trust())


def test_load_refuses_before_the_code_is_in_reach(tmp_path: Path) -> None:
    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", _flavor(code="code"))
    (folder / "code").mkdir()
    with pytest.raises(LoadRefused, match="allow_code"):
        load(saved.read(folder), LoadOptions())
    assert str(folder / "code") not in sys.path


def _pickled(source: Path, folder: Path) -> Path:
    """A copy of a saved model with its weights as old transformers saved them."""
    shutil.copytree(source, folder)
    weights = folder / "model" / "model.safetensors"
    torch.save(load_file(weights), folder / "model" / "pytorch_model.bin")
    weights.unlink()
    return folder


def test_pickled_weights_need_a_switch(tmp_path: Path) -> None:
    folder = _pickled(tiny_models.saved("classifier"), tmp_path / "model")
    with pytest.raises(LoadRefused, match=r"model/pytorch_model\.bin \(switch: allow_pickle = true\)"):
        load(saved.read(folder), LoadOptions())


def test_pickled_weights_load_when_allowed(tmp_path: Path) -> None:
    folder = _pickled(tiny_models.saved("classifier"), tmp_path / "model")
    loaded = load(saved.read(folder), LoadOptions(trust=Trust(allow_pickle=True))).pipeline
    assert loaded("one text", top_k=None) == tiny_pipelines.classifier()("one text", top_k=None)


PICKLES = ["pytorch_model-00001-of-00002.bin", "model.pt", "weights.pth", "a.ckpt", "b.pkl", "c.pickle", "d.joblib"]


@pytest.mark.parametrize("name", PICKLES)
def test_every_kind_of_pickle_is_seen(tmp_path: Path, name: str) -> None:
    folder = _pickled(tiny_models.saved("classifier"), tmp_path / "model")
    (folder / "model" / "pytorch_model.bin").rename(folder / "model" / name)
    with pytest.raises(LoadRefused, match=f"model/{name}"):
        trust.check(saved.read(folder), Trust())


def test_a_trainers_leavings_are_no_weights(tmp_path: Path) -> None:
    folder = _pickled(tiny_models.saved("classifier"), tmp_path / "model")
    (folder / "model" / "pytorch_model.bin").rename(folder / "model" / "training_args.bin")
    trust.check(saved.read(folder), Trust())


def test_pickles_beside_safetensors_are_not_loaded_and_not_asked_for(tmp_path: Path) -> None:
    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", lambda words: None)
    (folder / "model" / "pytorch_model.bin").write_bytes(b"no pickle at all")
    load(saved.read(folder), LoadOptions())


@pytest.mark.parametrize("decoy", ["decoy.safetensors", "adapter_model.safetensors"])
def test_a_decoy_does_not_hide_pickled_weights(tmp_path: Path, decoy: str) -> None:
    """Only `model.safetensors` and its index are preferred to pickles; any other name is not looked at."""
    folder = _pickled(tiny_models.saved("classifier"), tmp_path / "model")
    (folder / "model" / decoy).write_bytes(b"")
    with pytest.raises(LoadRefused, match="allow_pickle"):
        trust.check(saved.read(folder), Trust())


@pytest.mark.parametrize("layout", ["the base model", "the adapter", "the old layout"])
def test_pickles_are_seen_wherever_weights_lie(tmp_path: Path, layout: str) -> None:
    base = tmp_path / "base"
    base.mkdir()
    edits: dict[str, Edit] = {
        "the base model": _flavor(local_base_model_path=str(base)),
        "the adapter": _flavor(peft_adaptor="peft"),
        "the old layout": lambda words: words["flavors"]["transformers"].pop("model_binary"),
    }
    model = _edited(tmp_path, edits[layout])
    folders = {"the base model": base, "the adapter": model.path / "peft", "the old layout": model.path / "pipeline"}
    folders[layout].mkdir(exist_ok=True)
    trust.check(model, Trust())
    (folders[layout] / "adapter_model.bin").write_bytes(b"")
    with pytest.raises(LoadRefused, match=rf"{folders[layout].name}/adapter_model\.bin"):
        trust.check(model, Trust())


def test_sharded_safetensors_are_no_pickles(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_models.saved("classifier"), folder)
    one = folder / "model" / "model.safetensors"
    two = one.with_name("model-00001-of-00001.safetensors")
    one.rename(two)
    names = dict.fromkeys(load_file(two), two.name)
    index = {"metadata": {"total_size": two.stat().st_size}, "weight_map": names}
    one.with_name("model.safetensors.index.json").write_text(json.dumps(index))
    load(saved.read(folder), LoadOptions())
