"""A saved model to a loaded one, through mlflow.transformers, once its needs are allowed."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from savor.flavor import compat
from savor.flavor.artifact import Artifact
from savor.flavor.description import describe
from savor.flavor.encoding import TextEncoder, has_position_table, max_positions
from savor.flavor.errors import LoadRefused
from savor.flavor.findings import CONVERSATIONAL
from savor.flavor.limits import Limits
from savor.flavor.params import Unknown
from savor.flavor.saved import SavedModel
from savor.flavor.trust import Trust

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadOptions:
    """How a model is loaded: what it may do, where it goes, and what of it is overridden.

    `device` is "auto" (MLflow's rule: the first GPU, else the CPU), "cpu", "cuda" or "cuda:N". `dtype` is a torch
    type's name, or None for the recorded one.
    """

    trust: Trust = Trust()
    device: str = "auto"
    dtype: str | None = None
    model_config: Mapping[str, Any] = field(default_factory=dict)
    unknown_params: Unknown = Unknown.DROP
    limits: Limits = Limits()


def load(saved: SavedModel, options: LoadOptions) -> Artifact:
    """The loaded model. Raises LoadRefused where it can't be served, isn't allowed, or its files are damaged."""
    described = describe(saved, options.trust, options.model_config, options.dtype)
    if described.refusals:
        raise LoadRefused("; ".join(described.refusals))
    for warning in described.warnings:
        _log.warning("%s: %s", saved.path, warning)
    try:
        with compat.readable(saved) as readable:
            pipeline = _pipeline(readable, options)
    except LoadRefused:
        raise
    except Exception as error:
        raise LoadRefused(f"transformers can't load {saved.path}: {type(error).__name__}: {error}") from error
    loaded = replace(saved, findings=described.warnings)
    return Artifact(
        loaded,
        pipeline,
        described.config,
        _encoder(pipeline),
        has_position_table=has_position_table(pipeline.model),
        limits=options.limits,
        unknown_params=options.unknown_params,
    )


def _pipeline(saved: SavedModel, options: LoadOptions) -> Any:
    """The pipeline of the model's components.

    MLflow's own `return_type="pipeline"` does the same, but refuses models that were saved with a processor.
    """
    import mlflow.transformers
    import transformers

    wanted = {"dtype": f"torch.{options.dtype.removeprefix('torch.')}"} if options.dtype else {}
    device = _device(options.device)
    if saved.base is not None:
        wanted["base_model_path"] = str(saved.base)
    parts = mlflow.transformers.load_model(str(saved.path), return_type="components", device=device, **wanted)
    parts["model"].eval()
    task = _task(parts["task"], parts["model"])
    return transformers.pipeline(**{**_unrecorded(saved), **parts, "task": task})


def _unrecorded(saved: SavedModel) -> dict[str, Any]:
    """What prepares a model's recordings or images and lies beside its weights.

    MLflow records no such component for a checkpoint folder that it copied whole, and then fails to load it.
    """
    import transformers

    file = saved.weights / "preprocessor_config.json"
    if not file.is_file():
        return {}
    kind = "image_processor" if "image_processor_type" in json.loads(file.read_text()) else "feature_extractor"
    loaders = {
        "image_processor": transformers.AutoImageProcessor,
        "feature_extractor": transformers.AutoFeatureExtractor,
    }
    return {} if kind in saved.components else {kind: loaders[kind].from_pretrained(saved.weights)}


def _task(recorded: str, model: Any) -> str:
    """The pipeline that transformers has for a task: its own for conversations ended with 4.42."""
    if recorded != CONVERSATIONAL:
        return recorded
    return "text2text-generation" if model.config.is_encoder_decoder else "text-generation"


def _device(name: str) -> int | None:
    """MLflow's number for a device: None lets MLflow choose, -1 is the CPU. Raises LoadRefused for one not there."""
    import torch
    from mlflow.environment_variables import MLFLOW_HUGGINGFACE_USE_DEVICE_MAP

    if name == "auto":
        return None
    if MLFLOW_HUGGINGFACE_USE_DEVICE_MAP.get():
        raise LoadRefused(f"{MLFLOW_HUGGINGFACE_USE_DEVICE_MAP.name} is on, so the device must be auto, not {name}")
    kind, _, number = name.partition(":")
    if kind == "cpu":
        return -1
    index, there = int(number or 0), torch.cuda.device_count()
    if index >= there:
        raise LoadRefused(f"the device {name} is not there: torch sees {there} GPUs")
    return index


def _encoder(pipeline: Any) -> TextEncoder | None:
    if pipeline.tokenizer is None:
        return None
    return TextEncoder(pipeline.tokenizer, max_positions(pipeline.model))
