"""A saved model's own words: what its MLmodel file says, read without loading any weights."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from savor.flavor import payload, template
from savor.flavor.errors import LoadRefused

_ENVIRONMENT = ("MLFLOW_PYFUNC_INFERENCE_CONFIG", "SERVING_MODEL_CONFIG")
"""Variables with a JSON object of options, the later over the earlier: one is MLflow's loader's, one its server's."""
_LEGACY_CONFIG = Path("components", "inference_config.txt")


@dataclass(frozen=True)
class SavedModel:
    """What MLmodel says of a model of the transformers flavor."""

    path: Path
    task: str
    flavor: Mapping[str, Any]
    pyfunc: Mapping[str, Any]
    signature: Any
    """An `mlflow.models.ModelSignature`, or None."""
    prompt_template: str | None
    mlflow_version: str
    model_id: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What the user and MLflow noted beside it."""
    findings: tuple[str, ...] = ()
    """What the operator should know of it, once it is loaded."""

    @property
    def family_task(self) -> str:
        """The task by which families tell models apart: MLflow's own table has one entry for all translations."""
        return family_task(self.task)

    @property
    def inference_task(self) -> str:
        """The large-language-model task, such as `llm/v1/chat`, whose payload rules apply; empty for other models."""
        return str(self.flavor.get("inference_task") or "")

    @property
    def transformers_version(self) -> str:
        """The transformers version that saved the model; empty where it was not recorded."""
        return str(self.flavor.get("transformers_version") or "")

    @property
    def instance_type(self) -> str:
        """The pipeline class at save time, which decides the instructional rules."""
        return str(self.flavor.get("instance_type") or "")

    @property
    def weights(self) -> Path:
        """The folder of weights; before MLflow 2.4.1 it was called `pipeline`."""
        return self.path / str(self.flavor.get("model_binary") or "pipeline")

    @property
    def dtype(self) -> str:
        """The torch type that was recorded, such as `float16`; empty where the weights' own applies."""
        return str(self.flavor.get("torch_dtype") or "").removeprefix("torch.")

    @property
    def components(self) -> tuple[str, ...]:
        """What was saved beside the weights, such as `tokenizer`: folders below `components`."""
        processor = ("processor",) if self.flavor.get("processor_type") else ()
        return (*(self.flavor.get("components") or ()), *processor)

    @property
    def adapter(self) -> Path | None:
        """The folder of a PEFT adapter, None for a model without one."""
        name = self.flavor.get("peft_adaptor")
        return self.path / str(name) if name else None

    @property
    def base(self) -> Path | None:
        """The folder outside the saved model that holds the weights below its adapter; None for most models."""
        base = self.flavor.get("local_base_model_path")
        return Path(str(base)) if base else None

    @property
    def reference(self) -> str | None:
        """What on the Hugging Face hub a model without weights of its own refers to; None where it has its weights."""
        if self.base is not None or "source_model_revision" not in self.flavor:
            return None
        return str(self.flavor.get("source_model_name") or "")

    @cached_property
    def params_schema(self) -> Any:
        """The parameters that callers may set, as an `mlflow.types.schema.ParamSchema`, or None."""
        if self.inference_task:
            return payload.params_schema(self.signature, self.inference_task)
        return self.signature.params if self.signature is not None else None


def family_task(task: str) -> str:
    """What families call a pipeline task: all of `translation_xx_to_yy` are one to them."""
    return "translation" if task.startswith("translation_") else task


def read(path: Path, base_model: Path | None = None) -> SavedModel:
    """Reads a model folder. Raises LoadRefused where it is none, or none of the transformers flavor.

    `base_model` is where the weights below an adapter are on this machine, for a model that was saved with their place
    on another. As in MLflow, other models take none.
    """
    file = path / "MLmodel"
    if not file.is_file():
        raise LoadRefused(f"{path} is not a saved MLflow model: it has no MLmodel file")
    try:
        return _based(_read(path), base_model)
    except LoadRefused:
        raise
    except Exception as error:
        # MLflow raises whatever the first wrong word leads to.
        raise LoadRefused(f"{file} can't be read: {type(error).__name__}: {error}") from error


def _based(saved: SavedModel, base_model: Path | None) -> SavedModel:
    if base_model is None:
        return saved
    if saved.base is None:
        raise LoadRefused(f"{saved.path} was not saved with a base model: leave base_model out")
    return replace(saved, flavor={**saved.flavor, "local_base_model_path": str(base_model.resolve())})


def _read(path: Path) -> SavedModel:
    from mlflow.models import Model

    model = Model.load(str(path))
    flavors = model.flavors or {}
    flavor = flavors.get("transformers")
    if not flavor or not flavor.get("task"):
        known = ", ".join(sorted(flavors)) or "none"
        raise LoadRefused(f"{path} is not of MLflow's transformers flavor; its flavors: {known}")
    return SavedModel(
        path=path,
        task=flavor["task"],
        flavor=flavor,
        pyfunc=flavors.get("python_function", {}),
        signature=model.signature,
        prompt_template=template.check((model.metadata or {}).get("prompt_template"), flavor["task"]),
        mlflow_version=str(model.mlflow_version or ""),
        model_id=str(model.run_id or model.model_id or model.model_uuid or ""),
        metadata=model.metadata or {},
    )


def effective_config(saved: SavedModel, override: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The model_config that applies, and warnings for overrides that do not.

    MLflow's order: saved < MLFLOW_PYFUNC_INFERENCE_CONFIG < SERVING_MODEL_CONFIG < load time, and all but the first
    only change keys that were saved. A legacy `components/inference_config.txt` replaces all of it.
    """
    if legacy := legacy_config(saved):
        return _json_object(legacy.read_text(), str(legacy)), ()
    config = dict(saved.pyfunc.get("config") or {})
    wanted = _environment_config() | dict(override)
    ignored = sorted(wanted.keys() - config.keys())
    config.update({key: wanted[key] for key in wanted.keys() & config.keys()})
    if not ignored:
        return config, ()
    return config, (f"model_config overrides were ignored, as the model was saved without them: {', '.join(ignored)}",)


def legacy_config(saved: SavedModel) -> Path | None:
    """The file in which MLflow before 2.5 kept what is the model_config now, None where there is none."""
    file = saved.path / _LEGACY_CONFIG
    return file if file.is_file() else None


def _environment_config() -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name in _ENVIRONMENT:
        if text := os.environ.get(name):
            config |= _json_object(text, name)
    return config


def _json_object(text: str, source: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError):
        raise LoadRefused(f"{source} is not a JSON object of options") from None
