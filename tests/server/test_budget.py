"""The bounds of a model's batches: the operator's, and by what a batch costs where there are none."""

import pytest

from savor.accel.backend import BackendInfo
from savor.server.batching import Budget
from savor.server.budget import budget
from savor.server.config import BatchSettings

DEFAULTS = [
    pytest.param(BackendInfo("onnx", "cpu", "fp32"), False, 128, 12, id="ONNX Runtime on a CPU"),
    pytest.param(BackendInfo("eager", "cpu", "fp32"), False, 128, 16, id="torch on a CPU"),
    pytest.param(BackendInfo("compile", "cpu", "fp32", threads=4), False, 512, 64, id="compiled torch on a CPU"),
    pytest.param(BackendInfo("eager", "cuda:0", "fp16"), False, 16_384, 4096, id="torch on a GPU"),
    pytest.param(BackendInfo("onnx", "cuda", "fp16"), False, 16_384, 4096, id="ONNX Runtime on a GPU"),
]


@pytest.mark.parametrize(("info", "generates", "tokens", "overhead"), DEFAULTS)
def test_what_is_left_open_follows_from_the_machine(
    info: BackendInfo, generates: bool, tokens: int, overhead: int
) -> None:
    made = budget(BatchSettings(), generates, info)
    assert made == Budget(tokens, batch_items=64, overhead_tokens=overhead, queue_items=4096)


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_where_tokens_are_generated_padding_never_keeps_items_apart(device: str) -> None:
    made = budget(BatchSettings(), True, BackendInfo("eager", device, "fp32"))
    short, long = 1, made.batch_tokens // 2
    assert (short + long) / (made.overhead_tokens + 2 * long) > long / (made.overhead_tokens + long)


@pytest.mark.parametrize("generates", [True, False], ids=["generates", "reads"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_the_operator_says_holds(device: str, generates: bool) -> None:
    said = BatchSettings(max_tokens=100, max_items=3, overhead_tokens=0, queue_items=9)
    made = budget(said, generates, BackendInfo("onnx", device, "fp32"))
    assert made == Budget(batch_tokens=100, batch_items=3, overhead_tokens=0, queue_items=9)
