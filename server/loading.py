"""From a model's settings to one that runs: fetched, loaded, compiled where it is to be, and warmed up."""

import ctypes
import gc
import logging
from dataclasses import dataclass

from savor.accel.backend import Backend, Batch
from savor.accel.cache import Cache
from savor.accel.choice import choose
from savor.accel.plan import Plan
from savor.accel.threads import available
from savor.flavor import saved
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput, LoadRefused, WrongFamily
from savor.flavor.family import Family
from savor.flavor.item import Generate
from savor.flavor.limits import Limits
from savor.flavor.load import LoadOptions, load
from savor.flavor.trust import Trust
from savor.server.call import Call
from savor.server.config import ModelSettings, Settings
from savor.server.resolve import Source, resolve

_log = logging.getLogger(__name__)

_WARM_UP_S = 600.0


@dataclass(frozen=True)
class Opened:
    """A model that runs: where it came from, what it is, and what runs it."""

    source: Source
    artifact: Artifact
    backend: Backend


def open_model(model: ModelSettings, settings: Settings, cache: Cache) -> Opened:
    """Fetches, loads and compiles a model. Raises LoadRefused where its settings can't be kept."""
    plan = plan_of(model, settings, cache)
    source = resolve(model.uri, settings.mlflow)
    try:
        loaded = load(saved.read(source.path, model.base_model), load_options(model, plan))
        artifact, backend = choose(loaded, plan)
    except LoadRefused as error:
        raise LoadRefused(f"{model.uri}: {error}") from error
    del loaded
    _give_back_memory()
    return Opened(source, artifact, backend)


def plan_of(model: ModelSettings, settings: Settings, cache: Cache) -> Plan:
    """How a model is to be executed, by its settings and those of the server."""
    threads = model.threads or settings.threads or available()
    return Plan(cache, model.accel, model.precision, model.provider, threads)


def load_options(model: ModelSettings, plan: Plan) -> LoadOptions:
    """How a model is to be loaded."""
    return LoadOptions(
        trust=Trust(**{name: getattr(model, name) for name in Trust.__dataclass_fields__}),
        device=model.device,
        dtype=plan.dtype,
        model_config=model.overrides,
        unknown_params=model.unknown_parameters,
        limits=Limits(**model.limits.model_dump()),
    )


def warm(family: Family, opened: Opened) -> bool:
    """Runs the family's probe once, so that the first caller does not pay for lazy initialisation.

    Says whether the model generates tokens, step by step. As in MLflow, options of the saved model_config that can't be
    used fail calls, and not the start: a request may bring others, and the exact door may take them.
    """
    artifact = opened.artifact
    try:
        items = family.probe(artifact).items
    except (InvalidInput, WrongFamily) as error:
        _log.warning("%s: calls of %s that leave this as saved will fail: %s", artifact.saved.path, family.name, error)
        return bool(artifact.pipeline.model.can_generate())
    for item in items:
        opened.backend.run(Batch((item,), (Call(_WARM_UP_S),)))
    return any(isinstance(item.run, Generate) for item in items)


def _give_back_memory() -> None:
    """Frees an eager model that a compiled one has replaced; glibc keeps what is freed until it is asked."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
