"""What of a saved model's files is missing or wrong, seen before any is loaded: only what must fail is named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from savor.flavor.saved import SavedModel

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
_ADAPTER = "adapter_config.json"
_WRAPPED = ".base_layer."
"""In the names of weights that an adapter has wrapped."""


def flaws(saved: SavedModel, dtype: str | None = None) -> Iterator[str]:
    """What the model can't be loaded with; `dtype` is the torch type that the operator asks for, if any."""
    if not saved.flavor.get("pipeline_model_type"):
        yield "MLmodel does not name the class of the model (pipeline_model_type)"
    if saved.flavor.get("framework") == "tf":
        yield "its weights are TensorFlow's; save it again from torch"
    if (name := (dtype or saved.dtype).removeprefix("torch.")) and float_type(name) is None:
        yield f"{name!r} is no floating-point type of torch{'' if dtype else ' (torch_dtype in MLmodel)'}"
    if saved.reference is None:
        yield from _checkpoint(saved.base or saved.weights, saved)
        yield from _components(saved)
    elif not saved.flavor.get("source_model_revision"):
        yield f"it refers to {saved.reference} on the Hugging Face hub without saying which revision"
    if saved.adapter is not None:
        yield from _adapted(saved.adapter, saved.weights)


def float_type(name: str) -> Any:
    """The floating-point type of torch of this name, `torch.` in front or not; None where there is none."""
    import torch

    dtype = getattr(torch, name.removeprefix("torch."), None)
    return dtype if isinstance(dtype, torch.dtype) and dtype.is_floating_point else None


def _checkpoint(folder: Path, saved: SavedModel) -> Iterator[str]:
    what = f"the base model {folder}" if saved.base else f"the folder {folder.name}/ of weights"
    if not folder.is_dir():
        yield f"{what} is not there" + (": set base_model to where it is" if saved.base else "")
    elif not (folder / "config.json").is_file():
        yield f"{what} has no config.json"
    elif not any(file.suffix in _WEIGHTS for file in folder.iterdir()):
        yield f"{what} holds no weights that torch reads"


def _adapted(adapter: Path, weights: Path) -> Iterator[str]:
    if not (adapter / _ADAPTER).is_file():
        yield f"the adapter is missing: there is no {adapter.name}/{_ADAPTER}"
    if any(_WRAPPED in name for file in weights.glob("*.safetensors") for name in _names(file)):
        mixed = "its base model was saved with the adapter's layers in it, as mlflow's persist_pretrained_model does"
        yield f"{mixed}, and would be loaded untrained: log it again with its base model as a folder"


def _names(file: Path) -> list[str]:
    """The names of the tensors in a file; none where it is damaged, which loading will say better."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:
            return list(opened.keys())
    except (OSError, SafetensorError):
        return []


def _components(saved: SavedModel) -> Iterator[str]:
    folder = saved.path / "components"
    for name in saved.components:
        if not saved.flavor.get(f"{name}_type"):
            yield f"MLmodel does not name the class of the {name} ({name}_type)"
        elif not (folder / name).is_dir():
            yield f"a component is missing: there is no folder components/{name}"
