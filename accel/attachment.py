"""Compiled models that lie with a saved model's own files, so that whoever fetches it need not compile it.

They are found by the same key as in the cache: other weights or other versions never get them. What is attached has no
power over what it is attached to: one that is damaged is left alone, and the model compiled anew.
"""

import logging
from collections.abc import Sequence

from savor.accel.content import ATTACHED, Digests
from savor.accel.entry import Damaged, Entry
from savor.flavor.saved import SavedModel

_log = logging.getLogger(__name__)


def find(saved: SavedModel, key: str, digests: Digests) -> Entry | None:
    """The attached model of a key, its files checked; None where there is none, or one that is damaged."""
    entry = Entry(key, saved.path / ATTACHED / key)
    if not entry.folder.is_dir():
        return None
    try:
        entry.check(digests.of)
    except Damaged as damage:
        _log.warning("the compiled model attached to %s is left alone: %s", saved.path, damage)
        return None
    return entry


def attached(saved: SavedModel) -> Sequence[Entry]:
    """All that is attached to a model, in the order of their keys, damaged ones and those of other versions too."""
    folder = saved.path / ATTACHED
    return [Entry(each.name, each) for each in sorted(folder.iterdir()) if each.is_dir()] if folder.is_dir() else []


def place_of(key: str) -> str:
    """Where an attached model lies, below the folder of the saved model."""
    return f"{ATTACHED}/{key}"
