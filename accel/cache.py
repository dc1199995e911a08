"""Compiled models on disk, found by what they were made of. Nobody ever sees half of one, and none is made twice.

An entry is written beside its place and moved there whole, under a lock of its key that ends with its process. Files
are checked whenever an entry is found: those that were written or changed since the last time are read, all others
are known by size, times and inode (`Digests`), so that a start costs the same for a big model as for a small one.
`Entry.check` reads every file. The least recently used entries go when there is no more room, but none that a process
still uses.

    entries/KEY/    one compiled model and its manifest, savor.json
    drafts/KEY/     one that is being written, or removed
    locks/KEY       there while that happens
    digests.json    what is known of files
"""

import contextlib
import errno
import logging
import os
import shutil
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from savor.accel import locks
from savor.accel.content import Digests
from savor.accel.entry import MANIFEST, Damaged, Entry, finish, sync

__all__ = ["Cache", "CacheUnusable", "Damaged", "Entry"]

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_LEAST_BYTES = 1 << 20
"""With less than this free a file system counts as full."""

_log = logging.getLogger(__name__)


class CacheUnusable(Exception):
    """The cache can't be written. The text names its folder and a remedy; `reason` names no place on this host."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(f"{reason}: {remedy}" if remedy else reason)
        self.reason = reason


class Cache:
    """A folder of entries. `max_bytes` bounds what they take together, as far as nobody uses them.

    Entries that were given out count as used until the cache is no longer referred to, or the process ends.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self.root = root
        self._max_bytes = max_bytes
        self._digests = Digests(root)
        self._held: dict[str, int] = {}
        weakref.finalize(self, _release_all, self._held)

    def entries(self) -> list[Entry]:
        """All entries, the most recently used first, damaged ones too."""
        folder = self.root / "entries"
        found = [Entry(each.name, each) for each in folder.iterdir() if each.is_dir()] if folder.is_dir() else []
        return sorted(found, key=lambda entry: -entry.used_s)

    def find(self, key: str) -> Entry | None:
        """The entry of a key, checked and noted as used; None where there is none. Raises Damaged."""
        entry = self._entry(key)
        if not entry.folder.is_dir():
            return None
        self._hold(entry)
        try:
            entry.check(self._digests.of)
        except Damaged:
            self._release(key)
            if not entry.folder.is_dir():
                # It had to make room for another at this very moment.
                return None
            raise
        with contextlib.suppress(OSError):
            # A cache that can only be read serves all the same.
            os.utime(entry.folder / MANIFEST)
        return entry

    def make(self, key: str, write: Callable[[Path], Mapping[str, Any]]) -> Entry:
        """The entry of a key, written where there is none, or a damaged one.

        `write` fills a folder and gives the manifest's facts; what it raises leaves nothing behind. While another
        process makes the same entry this one waits for it. Raises CacheUnusable where the folder can't be written.
        """
        entry = self._entry(key)
        # A cache that can only be read has no locks, and serves what it has.
        if there := self._sound(key):
            return there
        with self._locked(key):
            if there := self._sound(key):
                return there
            with self._draft(key) as draft:
                facts = write(draft)
                with self._usable():
                    finish(draft, facts)
                    self._discard(entry)
                    draft.rename(entry.folder)
                    sync(entry.folder.parent)
            self._hold(entry)
        self._make_room(entry)
        return entry

    def remove(self, key: str) -> bool:
        """Removes an entry, whoever uses it; False where there was none. Raises CacheUnusable."""
        entry = self._entry(key)
        if not entry.folder.is_dir():
            return False
        self._release(key)
        with self._locked(key), self._usable():
            return self._discard(entry)

    def _entry(self, key: str) -> Entry:
        return Entry(key, self.root / "entries" / key)

    def _sound(self, key: str) -> Entry | None:
        try:
            return self.find(key)
        except Damaged as damage:
            _log.warning("a compiled model is of no use: %s", damage)
            return None

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            with self._usable():
                for name in ("entries", "drafts", "locks"):
                    (self.root / name).mkdir(parents=True, exist_ok=True)
                if not stack.enter_context(locks.exclusive(self.root / "locks" / key, wait=False)):
                    _log.info("waiting for another process that makes the same compiled model")
                    stack.enter_context(locks.exclusive(self.root / "locks" / key, wait=True))
            yield

    @contextlib.contextmanager
    def _draft(self, key: str) -> Iterator[Path]:
        """An empty folder to write an entry in, which goes with what is left in it."""
        draft = self.root / "drafts" / key
        with self._usable():
            self._clear_drafts()
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
        try:
            yield draft
        except CacheUnusable:
            raise
        except Exception as error:
            # What runs out of room says so in many ways: onnx, torch and ONNX Runtime have errors of their own.
            if _is_full(self.root, error):
                raise _unusable(self.root, error, full=True) from error
            raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _clear_drafts(self) -> None:
        """Removes what processes left that did not live to finish it."""
        for stray in (self.root / "drafts").iterdir():
            with locks.exclusive(self.root / "locks" / stray.name, wait=False) as abandoned:
                if abandoned:
                    shutil.rmtree(stray, ignore_errors=True)

    def _discard(self, entry: Entry) -> bool:
        """Takes an entry away at once, then removes its files. Wants the lock of its key."""
        old = self.root / "drafts" / f"{entry.key}.old"
        shutil.rmtree(old, ignore_errors=True)
        try:
            entry.folder.rename(old)
        except FileNotFoundError:
            return False
        shutil.rmtree(old, ignore_errors=True)
        return True

    def _make_room(self, newest: Entry) -> None:
        """Removes the least recently used entries that are too many, as far as nobody uses them."""
        entries = self.entries()
        taken = sum(entry.size_bytes for entry in entries)
        for entry in reversed(entries):
            if taken <= self._max_bytes:
                return
            size = entry.size_bytes
            if entry.key != newest.key and self._discard_unused(entry):
                _log.info("removed the compiled model %s, to make room", entry.key)
                taken -= size

    def _discard_unused(self, entry: Entry) -> bool:
        with contextlib.suppress(OSError), locks.exclusive(self.root / "locks" / entry.key, wait=False) as mine:
            if mine:
                with locks.unshared(entry.folder / MANIFEST) as unused:
                    return unused and self._discard(entry)
        return False

    def _hold(self, entry: Entry) -> None:
        """Notes an entry as used by this process."""
        self._release(entry.key)
        with contextlib.suppress(OSError):
            # File systems without locks can't tell who uses what.
            self._held[entry.key] = locks.shared(entry.folder / MANIFEST)

    def _release(self, key: str) -> None:
        if (descriptor := self._held.pop(key, None)) is not None:
            os.close(descriptor)

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _unusable(self.root, error, full=error.errno in _NO_ROOM) from error


def _release_all(held: dict[str, int]) -> None:
    while held:
        os.close(held.popitem()[1])


def _unusable(root: Path, cause: Exception, *, full: bool) -> CacheUnusable:
    said = (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__
    remedy = "make room there (savor cache rm)" if full else "make it writable"
    reason = "the cache of compiled models " + ("has no room left" if full else "can't be written")
    return CacheUnusable(reason, f"{root}: {said}; {remedy}, or choose another folder (cache.dir)")


def _is_full(root: Path, error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return True
        error = error.__cause__ or error.__context__
    system = os.statvfs(root)
    return system.f_bavail * system.f_frsize < _LEAST_BYTES
