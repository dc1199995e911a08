"""One way of running a model, measured as a server would run it: opened by its settings, in the batches it cuts."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from savor.accel.backend import Batch
from savor.accel.cache import Cache
from savor.accel.eager import EagerBackend
from savor.accel.plan import Accel
from savor.accel.precision import PRECISIONS
from savor.accel.probes import probes
from savor.accel.tuning import measure
from savor.accel.verification import Verification
from savor.flavor import table
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput, LoadRefused, WrongFamily
from savor.flavor.item import Generate, Item
from savor.flavor.load import load
from savor.flavor.probe import Probe
from savor.server.batching import Queue
from savor.server.budget import budget
from savor.server.config import ModelSettings, Settings
from savor.server.loading import Opened, load_options, open_model, plan_of
from savor.server.tuning import Measured

_CALLERS = 32
"""Items that wait at once: what batches are cut from."""
_COMPARED = 32
_TOKENS = 16

Calls = Mapping[str, Sequence[Item]]


def measured(settings: Settings, texts: Sequence[str], seconds: float) -> Measured:
    """Measures the one model of some settings. Raises LoadRefused where it does not run so."""
    model, cache = settings.models[0], Cache(settings.cache.dir, settings.cache.max_bytes)
    opened = open_model(model, settings, cache)
    if not seconds:
        return Measured(0.0, 0.0, 0.0, 0)
    batches = _batches(_items(opened.artifact, texts), opened, model)
    speed = measure(opened.backend, batches, seconds)
    memory_bytes = _memory_bytes()
    report: Mapping[str, Any] = {}
    if (model.accel, model.precision) != (Accel.EAGER, "fp32"):
        options = replace(load_options(model, plan_of(model, settings, cache)), dtype="float32")
        verification = _verification(load(opened.artifact.saved, options), texts)
        report = verification.compare(opened.backend, PRECISIONS[model.precision or "fp32"]).to_dict()
    return Measured(speed.items_per_s, speed.tokens_per_s, speed.alone_s, memory_bytes, report)


def _items(artifact: Artifact, texts: Sequence[str]) -> Sequence[Item]:
    """What is measured: the texts, else those of the input example, else those of the probes."""
    calls = _calls(artifact, texts) if texts else probes(artifact)
    examples = {name: items for name, items in calls.items() if name.startswith("input example")}
    # Of a call that is compared in two ways only the first is what callers send.
    items = [item for items in (examples or calls).values() for item in items if item.run == items[0].run]
    if not items:
        raise LoadRefused("the model can read none of the texts")
    return items


def _calls(artifact: Artifact, texts: Sequence[str]) -> Calls:
    """The texts as calls; those that the model can't read are left out."""
    family = table.families_of(artifact.saved.family_task, artifact.saved.inference_task)[0]
    calls = {}
    for number, text in enumerate(texts, 1):
        try:
            calls[f"text {number}"] = family.probe(artifact, Probe(text, _TOKENS)).items
        except (InvalidInput, WrongFamily):
            continue
    return calls


@dataclass(frozen=True)
class _Waiting:
    """An item as it waits and as it runs; nobody leaves."""

    item: Item

    def alive(self) -> bool:
        return True


def _batches(items: Sequence[Item], opened: Opened, model: ModelSettings) -> Sequence[Batch]:
    """The items, over and over until there are enough of them, as the server cuts them."""
    bounds = budget(model.batch, isinstance(items[0].run, Generate), opened.backend.info)
    queue = Queue[_Waiting](bounds)
    queue.put([_Waiting(item) for item in items] * -(-_CALLERS // len(items)), 0.0)
    batches = []
    while cut := queue.cut().batch:
        batches.append(Batch(tuple(waiting.item for waiting in cut), cut))
    return batches


def _verification(eager: Artifact, texts: Sequence[str]) -> Verification:
    return Verification(EagerBackend(eager), {**probes(eager), **_calls(eager, texts[:_COMPARED])})


def _memory_bytes() -> int:
    """What the process has in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
