"""What callers of models saved for an llm/v1 task may set: the fields of MLflow's payload, by the pipeline's names.

Such a model's signature has no params schema: MLflow takes every column of its payload beside the data for an option,
where it is not null, and calls `max_tokens` max_new_tokens. What transformers does not know fails there; here `n` is
num_return_sequences, and the penalties are OpenAI's.
"""

from collections.abc import Mapping
from typing import Any

from savor.flavor.errors import InvalidInput

CHAT, COMPLETIONS, EMBEDDINGS = "llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"

_PIPELINE_NAMES = {"max_tokens": "max_new_tokens", "n": "num_return_sequences"}
_NUMBERS = ("long", "double")


def params_schema(signature: Any, inference_task: str) -> Any:
    """The options of such a payload as an `mlflow.types.schema.ParamSchema`; None for an embeddings model."""
    from mlflow.types.schema import ParamSchema, ParamSpec

    if signature is None or inference_task == EMBEDDINGS:
        return None
    numbers = [column for column in signature.inputs if getattr(column.type, "name", "") in _NUMBERS]
    return ParamSchema([ParamSpec(_name(column.name), column.type, default=None) for column in numbers])


def renamed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options under the pipeline's names, nulls left out. Raises InvalidInput for one that is given twice."""
    for name, other in _PIPELINE_NAMES.items():
        if name in options and other in options:
            raise InvalidInput.at(f"parameters.{name}", f"is another word for {other}: give one of them")
    return {_name(name): value for name, value in options.items() if value is not None}


def _name(name: str) -> str:
    return _PIPELINE_NAMES.get(name, name)
