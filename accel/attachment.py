"""Compiled models that lie with a saved model's own files, so that whoever fetches it need not compile it.

They are found by the same key as in the cache: other weights or other versions never get them.
"""

import logging
import shutil
from pathlib import Path

from savor.accel.cache import Damaged, Entry
from savor.accel.content import ATTACHED
from savor.flavor.saved import SavedModel

_log = logging.getLogger(__name__)


def find(saved: SavedModel, key: str) -> Entry | None:
    """The attached model of a key, its files checked; None where there is none, or one that is damaged."""
    entry = Entry(key, saved.path / ATTACHED / key)
    if not entry.folder.is_dir():
        return None
    try:
        entry.check()
    except Damaged as damage:
        _log.warning("the compiled model attached to %s is left alone: %s", saved.path, damage)
        return None
    return entry


def attach(entry: Entry, model: Path) -> Path:
    """Copies a compiled model into a saved model's folder, and gives its place there."""
    place = model / ATTACHED / entry.key
    shutil.copytree(entry.folder, place, dirs_exist_ok=True)
    return place
