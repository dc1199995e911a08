"""The models in service: which there are, how far each is, and which one a request means."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from savor.accel.cache import Cache
from savor.flavor import table
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput, NotReady, UnknownModel
from savor.flavor.family import Family
from savor.server import scheduling
from savor.server.budget import budget
from savor.server.config import ModelSettings, Settings
from savor.server.loading import open_model, warm
from savor.server.pump import Pump
from savor.server.resolve import Source

_log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Loaded:
    """A model that answers."""

    source: Source
    artifact: Artifact
    families: tuple[Family, ...]
    """Those that serve the model; the first is its own."""
    pump: Pump

    @property
    def rpcs(self) -> tuple[str, ...]:
        """The RPCs that answer for the model, as "Service/Method"."""
        return table.rpcs_of(self.artifact.saved.family_task)


@dataclass(eq=False)
class ModelInService:
    """One model that the operator named; `loaded` is set once it answers."""

    settings: ModelSettings
    name: str
    loaded: Loaded | None = None

    @property
    def version(self) -> str:
        """The registry's version, else the run's or the model's id; empty while the model is loading."""
        if self.loaded is None:
            return ""
        return self.loaded.source.version or self.loaded.artifact.saved.model_id

    @property
    def aliases(self) -> Sequence[str]:
        """The registry's aliases of the version, at the time of loading."""
        return self.loaded.source.aliases if self.loaded else ()

    def ready(self) -> Loaded:
        """The loaded model. Raises NotReady while it is on its way."""
        if self.loaded is None:
            raise NotReady(f"the model {self.name!r} is still loading: try again soon")
        return self.loaded


@dataclass(eq=False)
class Models:
    """All models in service, in the order of the settings."""

    settings: Settings
    entries: list[ModelInService] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cache = Cache(self.settings.cache.dir, self.settings.cache.max_bytes)
        self.entries = [ModelInService(model, model.name or default_name(model.uri)) for model in self.settings.models]

    def find(self, wanted: str) -> ModelInService:
        """The model that a request means by `name`, `name@version`, `name@alias`, or nothing where there is one only.

        Raises UnknownModel, or InvalidInput where no name is given and there are several.
        """
        if not wanted:
            if len(self.entries) == 1:
                return self.entries[0]
            raise InvalidInput.at("model", f"is empty, and this server has several: {self._names()}")
        if named := self._named(wanted):
            return named[0]
        name, _, selector = wanted.rpartition("@")
        if named := self._named(name):
            return self._select(named, selector)
        raise UnknownModel(f"no model is named {wanted!r}; this server has {self._names()}")

    def _named(self, name: str) -> Sequence[ModelInService]:
        return [entry for entry in self.entries if entry.name == name]

    def _select(self, named: Sequence[ModelInService], selector: str) -> ModelInService:
        for entry in named:
            if selector == entry.version or selector in entry.aliases:
                return entry
        if any(entry.loaded is None for entry in named):
            raise NotReady(f"the model {named[0].name!r} is still loading: try again soon")
        known = ", ".join(f"{entry.name}@{key}" for entry in named for key in (entry.version, *entry.aliases) if key)
        raise UnknownModel(f"{named[0].name!r} is not served as {selector!r}; served are {known}")

    def _names(self) -> str:
        return ", ".join(dict.fromkeys(entry.name for entry in self.entries)) or "none"

    async def load_all(self) -> None:
        """Loads and warms the models one after another. Raises LoadRefused for the first that can't be served."""
        for entry in self.entries:
            _log.info("loading %s from %s", entry.name, entry.settings.uri)
            opened = await _in_background(open_model, entry.settings, self.settings, self._cache)
            artifact, info = opened.artifact, opened.backend.info
            families = table.families_of(artifact.saved.family_task, artifact.saved.inference_task)
            generates = await _in_background(warm, families[0], opened)
            pump = Pump(opened.backend, budget(entry.settings.batch, generates, info), entry.name)
            entry.loaded = Loaded(opened.source, artifact, families, pump)
            _log.info(
                "%s is ready: %s, %s on %s, %s", entry.name, families[0].name, info.name, info.device, info.precision
            )

    async def close(self) -> None:
        """Answers what was admitted and frees every model."""
        await asyncio.gather(*(entry.loaded.pump.close() for entry in self.entries if entry.loaded))


async def _in_background(function: Callable[..., ResultT], *arguments: object) -> ResultT:
    """Runs a function in a thread that keeps nobody from ending: a signal need not wait for a model to load."""
    done: Future[ResultT] = Future()

    def run() -> None:
        scheduling.compute()
        try:
            done.set_result(function(*arguments))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="savor-load", daemon=True).start()
    return await asyncio.shield(asyncio.wrap_future(done))


def default_name(uri: str) -> str:
    """The name of a model whose settings give none: the registered name, else the last part of the path."""
    if uri.startswith("models:/"):
        return re.split(r"[@/]", uri.removeprefix("models:/").strip("/"))[0]
    return uri.rstrip("/").rsplit("/", 1)[-1]
