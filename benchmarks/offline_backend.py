"""A backend of Savor's without a server: `python -m benchmarks.offline_backend MODEL COMPILED ACCEL PRECISION DEVICE`.

It loads, compiles and prepares as the server does, runs the corpus in sorted batches of several sizes on the device,
and prints texts per second by batch size as one line of JSON.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import texts

SIZES = (32, 128, 512)
_DURATION_S, _CALL_S = 5.0, 600.0


def main(model: str, compiled: str, accel: str, precision: str, device: str) -> None:
    """Takes one way to run the model."""
    from savor.accel.cache import Cache
    from savor.accel.choice import choose
    from savor.accel.plan import Accel, Plan
    from savor.flavor import saved
    from savor.flavor.load import LoadOptions, load

    plan = Plan(Cache(Path(compiled), 1 << 40), Accel(accel), precision)
    loaded = load(saved.read(Path(model)), LoadOptions(device=device, dtype=plan.dtype))
    artifact, backend = choose(loaded, plan)
    print(json.dumps({size: _speed(artifact, backend, size) for size in SIZES}), flush=True)


def _speed(artifact: Any, backend: Any, size: int) -> float:
    _pass(artifact, backend, size)
    begun_s, done = time.perf_counter(), 0
    while not done or time.perf_counter() - begun_s < _DURATION_S:
        done += _pass(artifact, backend, size)
    return done / (time.perf_counter() - begun_s)


def _pass(artifact: Any, backend: Any, size: int) -> int:
    """The corpus once: prepared, sorted by length, run and decoded."""
    from savor.accel.backend import Batch
    from savor.flavor.families.text_classification import ClassifyTextRequest, TextClassificationInput, prepare
    from savor.server.call import Call

    inputs = tuple(TextClassificationInput(text) for text in texts.corpus())
    prepared = prepare(ClassifyTextRequest(inputs, {}), artifact)
    order = sorted(range(len(inputs)), key=lambda place: prepared.items[place].length)
    rows: dict[int, Any] = {}
    for places in _parts(order, size):
        batch = Batch(tuple(prepared.items[place] for place in places), tuple(Call(_CALL_S) for _ in places))
        rows.update(zip(places, backend.run(batch), strict=True))
    prepared.decode([rows[place] for place in range(len(inputs))])
    return len(inputs)


def _parts(order: Sequence[int], size: int) -> list[Sequence[int]]:
    return [order[start : start + size] for start in range(0, len(order), size)]


if __name__ == "__main__":
    main(*sys.argv[1:])
