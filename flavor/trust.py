"""What the operator must allow before a model is loaded, because loading it would run its code or leave this host.

MLflow loads whatever MLmodel names: code beside the model, a loader module of its choice, classes from a hub with
trust_remote_code, pickled weights. Each of these is refused here unless the model's configuration allows it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

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
    missing = {switch: why for switch, why in needs(saved).items() if not getattr(trust, switch)}
    if missing:
        whys = "; ".join(f"{why} (switch: {switch} = true)" for switch, why in missing.items())
        raise LoadRefused(f"the model is not loaded unless its configuration allows it: {whys}")


def needs(saved: SavedModel) -> dict[str, str]:
    """Every switch that must be on for the model to load, and why."""
    return dict(_needs(saved))


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
    if saved.reference is not None:
        whence = f"it has no weights of its own and refers to {saved.reference} on the Hugging Face hub"
        yield "allow_hub", f"{whence}, until `savor persist` gives it weights"


def _foreign_classes(saved: SavedModel) -> Iterator[str]:
    import transformers

    keys = ["pipeline_model_type", "processor_type", *(f"{c}_type" for c in saved.flavor.get("components") or [])]
    names = (saved.flavor.get(key) for key in keys)
    # This name of transformers 5 stands for a class that 4 has too: see compat.py.
    return (name for name in names if name and name != UNIVERSAL_IN_5 and not hasattr(transformers, name))


def _pickled_weights(saved: SavedModel) -> Iterator[str]:
    """Files that would be unpickled: those of folders without the safetensors that are preferred to them."""
    adapter = saved.adapter or saved.path / "peft"
    for folder, preferred in ((saved.weights, _WEIGHTS), (adapter, _ADAPTER), (saved.base, _WEIGHTS)):
        if folder is None or not folder.is_dir() or any((folder / name).is_file() for name in preferred):
            continue
        files = (file.name for pattern in _PICKLED for file in sorted(folder.glob(pattern)))
        yield from (f"{folder.name}/{name}" for name in files if name not in _NOT_WEIGHTS)


def switches() -> tuple[str, ...]:
    """The names of the switches."""
    return tuple(field.name for field in fields(Trust))
