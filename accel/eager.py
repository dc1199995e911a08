"""The eager backend: torch as transformers' own pipeline runs it, over whole batches. Every other backend's oracle."""

import inspect
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import StoppingCriteriaList

from savor.accel.backend import BackendInfo, Batch, RefusedOptions
from savor.accel.generation import Abandonment, Generation
from savor.accel.padding import pad_values, stack, unpad
from savor.accel.precision import of_dtype
from savor.flavor.artifact import Artifact
from savor.flavor.item import Array, Forward, Generate, Row, Step, Whole


class EagerBackend:
    """Runs an artifact's pipeline in torch."""

    def __init__(self, artifact: Artifact, not_compiled_reason: str = "", threads: int | None = None) -> None:
        self._threads = threads
        self._pipeline = artifact.pipeline
        self._fill = pad_values(artifact.pipeline.tokenizer, artifact.pipeline.model.config.pad_token_id)
        self._generation = Generation(artifact, self._fill, self._set_threads)
        model = artifact.pipeline.model
        takes_cache = "use_cache" in inspect.signature(model.forward).parameters
        self._unasked = {"use_cache": False} if takes_cache else {}
        """Options of every forward pass: nobody reads a cache of keys and values behind it."""
        precision = of_dtype(model.dtype).name
        self.info = BackendInfo(
            name="eager",
            device=str(model.device),
            precision=precision,
            threads=threads or torch.get_num_threads(),
            not_compiled_reason=not_compiled_reason,
        )

    def run(self, batch: Batch) -> Sequence[Row]:
        """See `Backend.run`."""
        self._set_threads()
        match batch.run:
            case Forward() as run:
                return self._forward(batch, run)
            case Step() as run:
                return self._step(batch, run)
            case Generate() as run:
                return self._generation.run(batch, run)
            case Whole() as run:
                return [run.call()]

    def stream(self, batch: Batch) -> Generator[Sequence[Row]]:
        """See `Backend.stream`."""
        assert isinstance(batch.run, Generate)
        return self._generation.stream(batch, batch.run)

    def close(self) -> None:
        """See `Backend.close`."""
        self._generation.close()
        self._pipeline = None

    def _set_threads(self) -> None:
        """Torch counts threads for each thread that computes."""
        if self._threads is not None:
            torch.set_num_threads(self._threads)

    def _forward(self, batch: Batch, run: Forward) -> Sequence[Row]:
        if len(batch.items) > 1 and not self._pads():
            singles = (Batch((item,), batch.watches[:1]) for item in batch.items)
            return [row for single in singles for row in self._forward(single, run)]
        outputs = self._outputs(stack(batch.items, self._fill), run.outputs)
        rows_of = (lambda array: unpad(array, batch.items)) if run.per_token else list
        columns = {name: rows_of(value) for name, value in outputs.items()}
        return [{name: column[index] for name, column in columns.items()} for index in range(len(batch.items))]

    def _outputs(self, arrays: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
        """What the model makes of a batch's arrays: the outputs of these names, without names the first as `output`."""
        with torch.no_grad():
            outputs = self._pipeline.model(**self._tensors(arrays), **self._unasked)
        wanted = {name: outputs[name] for name in names} or {"output": outputs[0]}
        return {name: _array(value) for name, value in wanted.items()}

    def _step(self, batch: Batch, run: Step) -> Sequence[Row]:
        options = dict(run.options)
        if self._pipeline.model.can_generate():
            options["stopping_criteria"] = StoppingCriteriaList([Abandonment(batch)])
        try:
            inputs = self._tensors(stack(batch.items, self._fill))
            outputs = self._pipeline.forward({**inputs, "is_last": True}, **options)
        except ValueError as error:
            raise RefusedOptions(str(error)) from error
        named = {name: _array(value) for name, value in outputs.items() if name != "is_last" and value is not None}
        return [{name: value[index] for name, value in named.items()} for index in range(len(batch.items))]

    def _tensors(self, arrays: Mapping[str, Array]) -> dict[str, torch.Tensor]:
        """Arrays on the model's device; real numbers in the model's own type."""
        model = self._pipeline.model
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if model.device.type == "cuda":
            # Out of pinned memory the copies run while the thread goes on.
            tensors = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        return {
            name: tensor.to(model.device, model.dtype if tensor.is_floating_point() else None, non_blocking=True)
            for name, tensor in tensors.items()
        }

    def _pads(self) -> bool:
        """Whether the model can tell padding: a decoder with a classification head finds its last token by the id."""
        model = self._pipeline.model
        return not (type(model).__name__.endswith("ForSequenceClassification") and model.config.pad_token_id is None)


def _array(value: Any) -> Array:
    """A tensor, or one tensor for each item, as an array; numpy has no bfloat16, so halves are widened."""
    if isinstance(value, list):
        longest = max(len(part) for part in value)
        return np.stack([np.pad(_array(part), (0, longest - len(part))) for part in value])
    tensor = value.detach().cpu()
    return np.asarray(tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor)
