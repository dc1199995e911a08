"""The sentence-transformers settings that a model folder may carry beside its weights.

modules.json lists the steps from tokens to a sentence's vector; a Pooling step says how token vectors become one, a
Normalize step that the vector has length 1; sentence_bert_config.json cuts texts at max_seq_length tokens.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any


class Pooling(Enum):
    """How the vectors of a text's tokens become one vector."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "last"


@dataclass(frozen=True)
class SentenceSettings:
    """How a text becomes one vector. The defaults are for models that carry no settings.

    `unserved` says what of the settings can't be followed; empty where all can.
    """

    pooling: Pooling = Pooling.MEAN
    normalize: bool = False
    max_seq_length: int | None = None
    unserved: str = ""


_MODES = {
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_lasttoken": Pooling.LAST,
}


@cache
def read(folder: Path) -> SentenceSettings:
    """The settings in a model folder, or the defaults."""
    modules = _json(folder / "modules.json", [])
    steps = {str(module.get("type", "")).rsplit(".", 1)[-1]: folder / str(module.get("path", "")) for module in modules}
    modes = list(_wanted_modes(_json(steps["Pooling"] / "config.json", {}))) if "Pooling" in steps else []
    unserved = [step for step in steps if step not in ("Transformer", "Pooling", "Normalize")]
    if len(modes) > 1 or any(mode not in _MODES for mode in modes):
        unserved += modes
    return SentenceSettings(
        pooling=_MODES[modes[0]] if modes and not unserved else Pooling.MEAN,
        normalize="Normalize" in steps,
        max_seq_length=_json(folder / "sentence_bert_config.json", {}).get("max_seq_length"),
        unserved=", ".join(unserved),
    )


def _wanted_modes(config: dict[str, Any]) -> Iterator[str]:
    return (key for key, value in config.items() if key.startswith("pooling_mode_") and value is True)


def _json(file: Path, default: Any) -> Any:
    return json.loads(file.read_text()) if file.is_file() else default
