"""The ONNX backend: exported graphs in ONNX Runtime sessions, in the place of the pipeline's torch model.

What generates does so by transformers' own code over optimum's model classes. On a CPU a plain forward pass goes to the
session as arrays, with no tensor in between; on a GPU optimum binds tensors that are there already (IOBinding).
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np

from savor.accel.backend import BackendInfo
from savor.accel.eager import EagerBackend
from savor.accel.export import NotCompiled, Route, first_line
from savor.accel.report import Report
from savor.flavor.artifact import Artifact
from savor.flavor.item import Array

PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    # What TensorRT has no kernel for runs on CUDA.
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
"""ONNX Runtime's execution providers, the preferred one first, by the names that settings use."""

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
}
_LENGTHS = "_get_feat_extract_output_lengths"
"""The method that speech models count positions with, by their configuration alone; optimum's models lack it."""


@dataclass(frozen=True)
class Runtime:
    """Where sessions run and how: `device` is "cpu", "cuda" or "cuda:N", `provider` a key of PROVIDERS.

    `threads` None leaves their number to ONNX Runtime.
    """

    device: str = "cpu"
    provider: str = "cpu"
    threads: int | None = None
    engines: Path | None = None
    """Where TensorRT keeps what it builds, which takes minutes."""

    @property
    def execution_provider(self) -> str:
        """What ONNX Runtime calls the provider."""
        return PROVIDERS[self.provider][0]

    def check(self) -> None:
        """Raises NotCompiled where the provider is not the device's, or this machine's ONNX Runtime has none such."""
        if (self.provider == "cpu") != (self.device == "cpu"):
            raise NotCompiled(f"the provider {self.provider} does not run models that are on the device {self.device}")
        try:
            import onnxruntime
            import optimum.onnxruntime  # noqa: F401
        except ImportError as missing:
            advice = "pip install savor[cpu], or savor[gpu]"
            raise NotCompiled(f"ONNX Runtime and optimum are not installed: {advice}") from missing
        if self.execution_provider not in onnxruntime.get_available_providers():
            advice = "install savor[gpu] in place of savor[cpu]"
            raise NotCompiled(f"the ONNX Runtime that is installed has no {self.execution_provider}: {advice}")

    def session_options(self) -> Any:
        """Options of every session. Threads that wait sleep, so that an idle server costs nothing."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads or 0
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Lengths change from batch to batch: what is kept for one would not be used again.
        options.enable_mem_pattern = False
        options.log_severity_level = 3
        return options

    def provider_options(self) -> list[dict[str, Any]]:
        """Options of each provider."""
        number = self.device.partition(":")[2]
        options: dict[str, Any] = {"device_id": int(number)} if number else {}
        first = dict(options)
        if self.provider == "tensorrt" and self.engines is not None:
            first |= {"trt_engine_cache_enable": True, "trt_engine_cache_path": str(self.engines)}
        return [first, *(options for _ in PROVIDERS[self.provider][1:])]


def opened(artifact: Artifact, folder: Path, route: Route, runtime: Runtime) -> Artifact:
    """The artifact with a pipeline that runs the graphs of a folder. Raises NotCompiled where they don't run there."""
    import optimum.onnxruntime

    runner = getattr(optimum.onnxruntime, route.runner)
    try:
        model = runner.from_pretrained(
            folder,
            providers=PROVIDERS[runtime.provider],
            provider_options=runtime.provider_options(),
            session_options=runtime.session_options(),
            local_files_only=True,
        )
    except Exception as error:
        # Graphs that it can't read, kernels that it does not have, GPUs without memory: it has an error for each.
        text = "ONNX Runtime can't open the graphs"
        raise NotCompiled(f"{text}: {first_line(error)}", f"{text}: {type(error).__name__}") from error
    _check_provider(model, runtime.execution_provider)
    pipeline = copy.copy(artifact.pipeline)
    pipeline.model = _like(model, artifact.pipeline.model)
    return replace(artifact, pipeline=pipeline)


def _like(model: Any, eager: Any) -> Any:
    """The model, with what pipelines and families ask of one beside running it."""
    model.main_input_name = eager.main_input_name
    for part in getattr(model, "parts", ()):
        if getattr(part, "key_value_input_names", None):
            # optimum divides the hidden size by the heads, which is wrong for T5s whose heads have a size of their own.
            _, part.num_attention_heads, _, part.embed_size_per_head = part.input_shapes[part.key_value_input_names[0]]
    if hasattr(eager, _LENGTHS):
        # Bound to the compiled model, so that the eager one can be freed.
        setattr(model, _LENGTHS, MethodType(getattr(type(eager), _LENGTHS), model))
    return model


def _check_provider(model: Any, wanted: str) -> None:
    """A session that finds no GPU falls back to the CPU without a word."""
    for part in getattr(model, "parts", [model]):
        actual = part.session.get_providers()[0]
        if actual != wanted:
            raise NotCompiled(f"ONNX Runtime runs the model with {actual}, not {wanted}: is its GPU package there?")


class OnnxBackend(EagerBackend):
    """Runs an artifact that `opened` gave."""

    def __init__(self, artifact: Artifact, runtime: Runtime, precision: str, report: Report | None = None) -> None:
        super().__init__(artifact, threads=runtime.threads)
        self._session = getattr(artifact.pipeline.model, "session", None) if runtime.provider == "cpu" else None
        self.info = BackendInfo(
            name="onnx",
            device=runtime.device,
            precision=precision,
            threads=self.info.threads,
            provider=runtime.execution_provider,
            report=report,
        )

    def _outputs(self, arrays: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
        if self._session is None:
            return super()._outputs(arrays, names)
        feed = {given.name: _fed(given, arrays) for given in self._session.get_inputs()}
        wanted = list(names) or [self._session.get_outputs()[0].name]
        values = self._session.run(wanted, feed)
        return dict(zip(names or ["output"], map(_wide, values), strict=True))


def _fed(given: Any, arrays: Mapping[str, Array]) -> Array:
    """What a graph's input is fed with; what the tokenizer left out is what its absence means to the model."""
    array = arrays.get(given.name)
    if array is None:
        like = arrays["input_ids"]
        array = np.ones_like(like) if given.name == "attention_mask" else np.zeros_like(like)
    return array.astype(_TYPES[given.type], copy=False)


def _wide(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype == np.float16 else array
