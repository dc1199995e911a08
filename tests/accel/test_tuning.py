"""Ways of running a model: which there are here, and what is measured of one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from savor.accel import tuning
from savor.accel.backend import Backend, BackendInfo, Batch, unwatched
from savor.accel.plan import Accel
from savor.flavor.item import Forward, Item, Row


class Sleeper(Backend):
    """A backend of fixed costs: 10 ms of a made-up clock for a batch, and 1 ms for each token."""

    info = BackendInfo("eager", "cpu", "fp32")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.batches: list[int] = []
        monkeypatch.setattr(tuning.time, "perf_counter", lambda: self.now_s)

    def run(self, batch: Batch) -> Sequence[Row]:
        self.batches.append(len(batch.items))
        tokens = len(batch.items) * max(item.length for item in batch.items)
        # The first time costs ten times as much.
        self.now_s += (0.01 + 0.001 * tokens) * (10 if len(self.batches) == 1 else 1)
        return [{"lengths": np.array([item.length])} for item in batch.items]


def batch(*lengths: int) -> Batch:
    items = tuple(Item({"input_ids": np.zeros(length, np.int64)}, length, Forward()) for length in lengths)
    return unwatched(items)


def test_each_batch_counts_as_it_was_at_its_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    speed = tuning.measure(Sleeper(monkeypatch), [batch(2, 2), batch(6)], 0.1)
    assert speed.items_per_s == pytest.approx(3 / 0.030)
    assert speed.tokens_per_s == pytest.approx(10 / 0.030)
    assert speed.alone_s == pytest.approx(0.012)


def test_at_least_one_pass_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Sleeper(monkeypatch)
    speed = tuning.measure(backend, [batch(2, 2), batch(6)], 1e-9)
    assert backend.batches == [1, 1, 1, 2, 1]
    assert speed.items_per_s == pytest.approx(3 / 0.030)


def test_every_machine_has_what_all_are_compared_with_first() -> None:
    assert {ways[0] for ways in (tuning.candidates(gpu=gpu) for gpu in (False, True))} == {
        tuning.Candidate(Accel.EAGER, "fp32")
    }


def test_a_gpus_ways_name_their_provider() -> None:
    names = [way.name for way in tuning.candidates(gpu=True)]
    assert {"eager bf16", "compile fp16", "onnx cuda fp16", "onnx tensorrt fp32"} <= set(names)
    assert len(names) == len(set(names))


CPUS = [
    pytest.param("flags : fpu avx2 avx512_bf16 avx512_vnni\n", "", id="x86 with bf16"),
    pytest.param("Features : fp asimd bf16\n", "", id="ARM with bf16"),
    pytest.param("flags : fpu avx2 avx512f\n", "this CPU has no instructions for bf16", id="without"),
]


@pytest.mark.parametrize(("told", "missing"), CPUS)
def test_bf16_wants_a_cpus_instructions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str, missing: str
) -> None:
    (tmp_path / "cpuinfo").write_text(told)
    monkeypatch.setattr(tuning, "CPUINFO", tmp_path / "cpuinfo")
    (way,) = (each for each in tuning.candidates(gpu=False) if each.precision == "bf16")
    assert way.missing == missing
