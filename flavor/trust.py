"""What the operator must allow before a model is loaded, because loading it would run its code or leave this host.

MLflow loads whatever MLmodel names: code beside the model, a loader module of its choice, classes from a hub with
trust_remote_code, pickled weights. Each of these is refused here unless the model's configuration allows it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from savor.flavor.compat import UNIVERSAL_IN_5
from savor.flavor.errors import LoadRefused
from savor.flavor.saved import SavedModel

_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_ADAPTER = ("adapter_model.safetensors",)
_NOT_WEIGHTS = frozenset({"training_args.bin", "optimizer.bin", "scheduler.bin", "optimizer.pt", "scheduler.pt"})


@dataclass(frozen=True)
class Trust:
    """What loading a model may do. All of it is off unless the operator says otherwise."""

    allow_code: bool = False
    allow_loader: bool = False
    allow_remote_code: bool = False
    allow_pickle: bool = False
    allow_hub: bool = False


def check(saved: SavedModel, trust: Trust) -> None:
    """Raises LoadRefused with every switch that the model needs and that is off."""
    needed = dict(_needs(saved))
    missing = {switch: why for switch, why in needed.items() if not getattr(trust, switch)}
    if missing:
        whys = "; ".join(f"{why} (switch: {switch} = true)" for switch, why in missing.items())
        raise LoadRefused(f"the model is not loaded unless its configuration allows it: {whys}")


def _needs(saved: SavedModel) -> Iterator[tuple[str, str]]:
    if saved.flavor.get("code") or saved.pyfunc.get("code"):
        yield "allow_code", "it brings Python code of its own in its code folder"
    loader = saved.pyfunc.get("loader_module", "mlflow.transformers")
    if loader != "mlflow.transformers":
        yield "allow_loader", f"its loader module is {loader}"
    if strangers := list(_foreign_classes(saved)):
        yield "allow_remote_code", f"transformers has no class {', '.join(strangers)}, so code of its own would run"
    if pickled := list(_pickled_weights(saved)):
        yield "allow_pickle", f"its weights are pickled, and unpickling can run code: {', '.join(pickled)}"
    if saved.flavor.get("source_model_revision") and not saved.flavor.get("local_base_model_path"):
        hub_name = saved.flavor.get("source_model_name")
        yield "allow_hub", f"it has no weights of its own and refers to {hub_name} on the Hugging Face hub"


def _foreign_classes(saved: SavedModel) -> Iterator[str]:
    import transformers

    keys = ["pipeline_model_type", "processor_type", *(f"{c}_type" for c in saved.flavor.get("components") or [])]
    names = (saved.flavor.get(key) for key in keys)
    # This name of transformers 5 stands for a class that 4 has too: see compat.py.
    return (name for name in names if name and name != UNIVERSAL_IN_5 and not hasattr(transformers, name))


def _pickled_weights(saved: SavedModel) -> Iterator[str]:
    """Files that would be unpickled: those of folders without the safetensors that are preferred to them."""
    adapter = saved.path / str(saved.flavor.get("peft_adaptor") or "peft")
    for folder, preferred in ((saved.weights, _WEIGHTS), (adapter, _ADAPTER), (_base(saved), _WEIGHTS)):
        if folder is None or not folder.is_dir() or any((folder / name).is_file() for name in preferred):
            continue
        files = (file.name for pattern in _PICKLED for file in sorted(folder.glob(pattern)))
        yield from (f"{folder.name}/{name}" for name in files if name not in _NOT_WEIGHTS)


def _base(saved: SavedModel) -> Path | None:
    base = saved.flavor.get("local_base_model_path")
    return Path(base) if base else None


def switches() -> tuple[str, ...]:
    """The names of the switches."""
    return tuple(field.name for field in fields(Trust))
