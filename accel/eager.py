"""The eager backend: torch as transformers' own pipeline runs it, over whole batches. Every other backend's oracle."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import StoppingCriteriaList

from savor.accel.backend import BackendInfo, Batch, RefusedOptions
from savor.accel.generation import Abandonment, Generation
from savor.accel.padding import pad_values, stack, unpad
from savor.flavor.artifact import Artifact
from savor.flavor.item import Array, Generate, Row


class EagerBackend:
    """Runs an artifact's pipeline in torch."""

    def __init__(self, artifact: Artifact) -> None:
        self._pipeline = artifact.pipeline
        self._fill = pad_values(artifact.pipeline.tokenizer, artifact.pipeline.model.config.pad_token_id)
        self._generation = Generation(artifact, self._fill)
        model = artifact.pipeline.model
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        self.info = BackendInfo("eager", str(model.device), dtype, "compiled execution is not part of this version")

    def run(self, batch: Batch) -> Sequence[Row]:
        """See `Backend.run`."""
        if isinstance(batch.run, Generate):
            return self._generation.run(batch, batch.run)
        return self._forward(batch, batch.run.options)

    def stream(self, batch: Batch) -> Generator[Sequence[Row]]:
        """See `Backend.stream`."""
        assert isinstance(batch.run, Generate)
        return self._generation.stream(batch, batch.run)

    def close(self) -> None:
        """See `Backend.close`."""
        self._generation.close()
        self._pipeline = None

    def _forward(self, batch: Batch, options: Mapping[str, Any]) -> Sequence[Row]:
        if len(batch.items) > 1 and not self._pads():
            singles = (Batch((item,), batch.watches[:1]) for item in batch.items)
            return [row for single in singles for row in self._forward(single, options)]
        arrays = stack(batch.items, self._fill)
        inputs: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if self._pipeline.task == "automatic-speech-recognition":
            inputs["is_last"] = True
            if self._pipeline.model.can_generate():
                options = {**options, "stopping_criteria": StoppingCriteriaList([Abandonment(batch)])}
        try:
            outputs = self._pipeline.forward(inputs, **options)
        except ValueError as error:
            raise RefusedOptions(str(error)) from error
        return _rows(outputs, batch)

    def _pads(self) -> bool:
        """Whether the model can tell padding: a decoder with a classification head finds its last token by the id."""
        model = self._pipeline.model
        return not (type(model).__name__.endswith("ForSequenceClassification") and model.config.pad_token_id is None)


def _rows(outputs: Any, batch: Batch) -> list[Row]:
    """A row for each item: what the step gives by name where it gives a dict, else its first output."""
    named = (
        {"output": outputs[0]} if hasattr(outputs, "to_tuple") else {k: v for k, v in outputs.items() if k != "is_last"}
    )
    columns = {name: unpad(_array(value), batch.items) for name, value in named.items() if value is not None}
    return [{name: column[index] for name, column in columns.items()} for index in range(len(batch.items))]


def _array(value: Any) -> Array:
    """A tensor, or one tensor for each item, as an array; numpy has no bfloat16, so halves are widened."""
    if isinstance(value, list):
        longest = max(len(part) for part in value)
        return np.stack([np.pad(_array(part), (0, longest - len(part))) for part in value])
    tensor = value.detach().cpu()
    return np.asarray(tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor)
