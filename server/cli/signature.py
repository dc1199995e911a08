"""An MLflow signature in words, a line for each input and output; what is not as expected is shown as it came."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def signature_lines(signature_json: str) -> Iterator[tuple[str, str]]:
    """What of "inputs" and "outputs" the signature has, with its columns. Its parameters are told elsewhere."""
    if not signature_json:
        return
    try:
        parts = json.loads(signature_json)
        # MLflow keeps each part as JSON within the JSON.
        columns = {part: json.loads(parts.get(part) or "[]") for part in ("inputs", "outputs")}
        lines = {part: "\n".join(_column(column) for column in each) for part, each in columns.items()}
    except (ValueError, TypeError, AttributeError, KeyError):
        yield "as saved", signature_json
        return
    yield from lines.items()


def _column(column: Mapping[str, Any]) -> str:
    """A column as `name: type`, with what else there is to say."""
    name = f"{column['name']}: " if column.get("name") else ""
    optional = "" if column.get("required", True) else " (optional)"
    return f"{name}{_type(column)}{optional}"


def _type(column: Mapping[str, Any]) -> str:
    match column:
        case {"tensor-spec": {"dtype": dtype, "shape": shape}}:
            return f"tensor of {dtype}, shape {shape}"
        case {"type": "array", "items": items}:
            return f"{_type(items)}[]"
        case {"type": "object", "properties": properties}:
            inner = ", ".join(_column({"name": name, **each}) for name, each in properties.items())
            return f"{{{inner}}}"
    return str(column["type"])
