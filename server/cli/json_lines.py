"""Replies as JSON, each on a line of its own with every value in full; NaN, which JSON lacks, is told as a text."""

import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from savor.client import Tensor


def print_line(value: Any) -> None:
    """Prints a reply as one line."""
    print(to_json(value), flush=True)


def to_json(value: Any) -> str:
    """A reply as JSON."""
    spelled = (sys.stdout.encoding or "").lower().startswith("utf")
    try:
        return json.dumps(value, default=_fields, ensure_ascii=not spelled, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=not spelled)


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, Tensor):
        return {"dtype": value.dtype, "shape": value.shape, "values": value.to_list()}
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _finite(value: Any) -> Any:
    """The same with NaN and the infinities spelled out."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if dataclasses.is_dataclass(value):
        return _finite(_fields(value))
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
