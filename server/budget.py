"""The bounds of a model's batches where the operator left them open: what a batch costs on the machine it runs on.

A batch costs as much as its tokens, padding included, and so many more; the more those are, the more padding is worth
it. A step of generation costs about the same for one sequence as for many: only prompts add up, and their padding is
paid for once.
"""

from dataclasses import dataclass

from savor.accel.backend import BackendInfo
from savor.server.batching import Budget
from savor.server.config import BatchSettings


@dataclass(frozen=True)
class _Cost:
    """`tokens`: as many as keep the machine busy. `overhead`: what a batch costs beside its own, in tokens."""

    tokens: int
    overhead: int


# For each thread. Measured with MiniLM on an AVX2 core: 7 for ONNX Runtime with its thread's turn, twice for torch.
# More tokens than these make nothing faster, and who comes next waits for them.
_CPU = {"onnx": _Cost(128, 12), "eager": _Cost(128, 16), "compile": _Cost(128, 16)}
_GPU = _Cost(16_384, 4096)
_NO_END = 1 << 40
"""So many that no padding costs as much as another batch."""


def budget(settings: BatchSettings, generates: bool, info: BackendInfo) -> Budget:
    """The bounds of the batches of a model that runs like this; `generates` says that it makes tokens step by step."""
    cost = _cost(generates, info)
    tokens = cost.tokens if settings.max_tokens is None else settings.max_tokens
    overhead = cost.overhead if settings.overhead_tokens is None else settings.overhead_tokens
    return Budget(tokens, settings.max_items, overhead, settings.queue_items)


def _cost(generates: bool, info: BackendInfo) -> _Cost:
    on_cpu = info.device == "cpu"
    if generates:
        return _Cost(4096 if on_cpu else 131_072, _NO_END)
    if not on_cpu:
        return _GPU
    each = _CPU[info.name]
    return _Cost(each.tokens * info.threads, each.overhead * info.threads)
