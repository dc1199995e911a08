"""Models whose weights lie elsewhere: on the hub, or in the folder of an adapter's base model."""

import shutil
from pathlib import Path
from typing import Any

import mlflow.transformers
import peft
import pytest
import torch
import transformers

from savor.flavor import saved
from savor.flavor.artifact import Artifact
from savor.flavor.errors import LoadRefused
from savor.flavor.load import LoadOptions, load
from savor.flavor.trust import Trust
from tests import tiny_models, tiny_pipelines

TEXTS = ["one text", "another, longer text"]


def _load(folder: Path, **options: Any) -> Artifact:
    return load(saved.read(folder), LoadOptions(**options))


def _reference(tmp_path: Path, revision: str | None = "0123abc", name: str | None = None) -> Path:
    """A model without weights; the hub that it refers to is a folder, so that no network is needed."""
    hub = tmp_path / "hub"
    tiny_pipelines.classifier().save_pretrained(hub)

    def edit(words: dict[str, Any]) -> None:
        flavor = words["flavors"]["transformers"]
        del flavor["model_binary"]
        for what in ("source_model", "tokenizer"):
            flavor.update({f"{what}_name": name or str(hub), f"{what}_revision": revision})

    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", edit)
    shutil.rmtree(folder / "model")
    shutil.rmtree(folder / "components")
    return folder


def test_a_reference_is_refused_with_what_helps(tmp_path: Path) -> None:
    with pytest.raises(LoadRefused, match=r"acme/model on the Hugging Face hub.*savor persist.*allow_hub = true"):
        _load(_reference(tmp_path, name="acme/model"))


def test_a_reference_loads_where_it_is_allowed(tmp_path: Path) -> None:
    folder = _reference(tmp_path)
    loaded = _load(folder, trust=Trust(allow_hub=True))
    assert loaded.pipeline(TEXTS) == tiny_pipelines.classifier()(TEXTS)
    assert loaded.saved.findings[0].startswith("allow_hub is on")


def test_a_reference_to_no_revision_is_refused(tmp_path: Path) -> None:
    """As MLflow does: it would not be the same model tomorrow."""
    folder = _reference(tmp_path, revision=None)
    with pytest.raises(LoadRefused, match="without saying which revision"):
        _load(folder, trust=Trust(allow_hub=True))
    with pytest.raises(mlflow.MlflowException, match="commit hash is not found"):
        mlflow.transformers.load_model(str(folder))


def _adapted(tmp_path: Path) -> Path:
    pipeline, base = tiny_pipelines.generator(), tmp_path / "base"
    pipeline.save_pretrained(base)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["c_attn"], fan_in_fan_out=True)
    model = peft.get_peft_model(transformers.GPT2LMHeadModel.from_pretrained(base), config)
    adapted = transformers.pipeline("text-generation", model=model, tokenizer=pipeline.tokenizer)
    return tiny_models.save(adapted, tmp_path / "model", base_model_path=str(base))


def test_a_base_model_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = _adapted(tmp_path)
    (tmp_path / "base").rename(tmp_path / "elsewhere")
    with pytest.raises(LoadRefused, match=rf"the base model {tmp_path / 'base'} is not there"):
        _load(folder)


def test_a_base_model_may_be_elsewhere_on_this_machine(tmp_path: Path) -> None:
    """As the base_model_path of `mlflow.transformers.load_model`."""
    folder = _adapted(tmp_path)
    before = load(saved.read(folder), LoadOptions()).pipeline("a", max_new_tokens=4, do_sample=False)
    (tmp_path / "base").rename(tmp_path / "elsewhere")
    moved = saved.read(folder, tmp_path / "elsewhere")
    assert load(moved, LoadOptions()).pipeline("a", max_new_tokens=4, do_sample=False) == before


def test_a_model_without_an_adapter_takes_no_base_model(tmp_path: Path) -> None:
    with pytest.raises(LoadRefused, match="was not saved with a base model"):
        saved.read(tiny_models.saved("classifier"), tmp_path)


def test_a_base_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    folder = _adapted(tmp_path)
    shutil.rmtree(tmp_path / "base")
    tiny_pipelines.generator(n_inner=16).save_pretrained(tmp_path / "base")
    file = tmp_path / "base" / "config.json"
    file.write_text(file.read_text().replace('"n_embd": 32', '"n_embd": 16'))
    with pytest.raises(LoadRefused, match="transformers can't load"):
        _load(folder)


def test_what_mlflow_persists_of_an_adapted_model_is_refused(tmp_path: Path) -> None:
    """It saves the base model with the adapter's layers in it, and then loads its own layers untrained."""
    folder = _adapted(tmp_path)
    tokens = torch.tensor([[5, 60, 70, 8]])
    before = mlflow.transformers.load_model(str(folder)).model(tokens).logits
    mlflow.transformers.persist_pretrained_model(str(folder))
    after = mlflow.transformers.load_model(str(folder)).model(tokens).logits
    assert not torch.allclose(before, after, atol=0.1)
    with pytest.raises(LoadRefused, match="would be loaded untrained"):
        _load(folder)
