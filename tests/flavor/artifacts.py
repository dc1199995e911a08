"""Loaded tiny models, each loaded once for the whole run. Tests share them and leave them as they are."""

from functools import cache
from typing import Any

import torch

from savor.flavor import saved
from savor.flavor.artifact import Artifact
from savor.flavor.load import LoadOptions, load
from tests import tiny_models

# Models this small gain nothing from threads, and lose much where others use the same cores.
torch.set_num_threads(1)


@cache
def artifact(name: str, **options: Any) -> Artifact:
    """A recipe of tiny_models, saved by MLflow and loaded by `load`; `options` are LoadOptions' (hashable ones)."""
    return load(saved.read(tiny_models.saved(name)), LoadOptions(**options))
