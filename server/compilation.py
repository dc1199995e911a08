"""A model compiled ahead of its serving, by the very way that serving takes: what is made here is found there."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from savor.accel import attachment
from savor.accel.cache import Cache, Entry
from savor.accel.choice import choose
from savor.accel.entry import Damaged
from savor.accel.export import NotCompiled
from savor.accel.report import Report
from savor.flavor import saved
from savor.flavor.errors import LoadRefused
from savor.flavor.load import load
from savor.flavor.saved import SavedModel
from savor.server.config import ModelSettings, Settings
from savor.server.loading import load_options, plan_of
from savor.server.resolve import Source, resolve


@dataclass(frozen=True)
class Compiled:
    """A compiled model that was verified. `found` says where it was: "attached", "cached", or "" for one made now."""

    source: Source
    entry: Entry
    report: Report
    found: str
    seconds: float


class NotVerified(Exception):
    """A model that was compiled and differs from the eager one. `report` says how much."""

    def __init__(self, text: str, report: Report) -> None:
        super().__init__(text)
        self.report = report


class _Noting(Cache):
    """A cache that notes the last entry that it gave, and whether it was made for that."""

    given: Entry | None = None
    made = False

    def make(self, key: str, write: Callable[[Path], Mapping[str, Any]]) -> Entry:
        """See `Cache.make`."""

        def noted(folder: Path) -> Mapping[str, Any]:
            self.made = True
            return write(folder)

        self.given = super().make(key, noted)
        return self.given


def compile_model(model: ModelSettings, settings: Settings, said: Callable[[str], None]) -> Compiled:
    """Compiles a model, or finds it compiled. `model.accel` is to be "onnx".

    Raises LoadRefused where it can't be fetched, loaded or compiled, and NotVerified.
    """
    started_s = time.monotonic()
    cache = _Noting(settings.cache.dir, settings.cache.max_bytes)
    plan = plan_of(model, settings, cache)
    said("fetching the model")
    source = resolve(model.uri, settings.mlflow)
    said("loading the model")
    loaded = load(saved.read(source.path, model.base_model), load_options(model, plan))
    try:
        artifact, backend = choose(loaded, plan, said)
    except LoadRefused as refused:
        _raise(refused, model.uri, cache)
    backend.close()
    report = backend.info.report
    assert report is not None
    entry = cache.given or _attached(artifact.saved, report)
    found = "" if cache.made else "cached" if cache.given else "attached"
    return Compiled(source, entry, report, found, time.monotonic() - started_s)


def _raise(refused: LoadRefused, uri: str, cache: _Noting) -> NoReturn:
    reason = refused.__cause__ if isinstance(refused.__cause__, NotCompiled) else refused
    text = f"{uri} is not compiled: {reason}"
    report = _report_of(cache.given) if cache.given else None
    if report is not None and not report.passed:
        raise NotVerified(text, report) from refused
    raise LoadRefused(text) from refused


def _attached(model: SavedModel, report: Report) -> Entry:
    """The attached entry that was chosen: that of this report."""
    return next(entry for entry in attachment.attached(model) if _report_of(entry) == report)


def _report_of(entry: Entry) -> Report | None:
    try:
        return Report.from_dict(entry.manifest["report"])
    except (Damaged, LookupError, TypeError):
        return None
