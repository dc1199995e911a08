"""Compiled tiny models: exported and verified once, then kept in one cache for all tests and the servers that they start."""

from functools import cache
from pathlib import Path

from savor.accel import choice, content, conversion, entry, export, onnx, precision, probes, report, verification
from savor.accel.backend import Backend
from savor.accel.cache import Cache
from savor.accel.choice import choose
from savor.accel.plan import Accel, Plan
from savor.flavor import saved
from savor.flavor.artifact import Artifact
from savor.flavor.load import LoadOptions, load
from tests import tiny_models

_COMPILING = (choice, content, conversion, entry, export, onnx, precision, probes, report, verification)

FOLDER = tiny_models.cache(*(str(module.__file__) for module in _COMPILING)) / "compiled"
"""The cache's folder, a new one for every change of what compiles and verifies."""


def plan(accel: Accel = Accel.AUTO, **more: object) -> Plan:
    """A plan of one thread, in the tests' own cache where `cache` names no other."""
    return Plan(**{"cache": Cache(FOLDER, 1 << 40), "accel": accel, "threads": 1, **more})


def fresh(model: str | Path, dtype: str | None = None) -> Artifact:
    """A recipe of tiny_models, or a saved model's folder, loaded anew: choosing a backend may use the model up."""
    folder = tiny_models.saved(model) if isinstance(model, str) else model
    return load(saved.read(folder), LoadOptions(dtype=dtype))


@cache
def chosen(name: str, accel: Accel = Accel.ONNX) -> tuple[Artifact, Backend]:
    """A recipe, compiled or refused: one for the whole run. Tests share it and leave it open."""
    return choose(fresh(name), plan(accel))
