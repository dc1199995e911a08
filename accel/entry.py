"""One compiled model on disk: a folder with its graphs, and a manifest of what they were made of and what is in them.

An entry that is not what was written is never used.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savor.accel import locks
from savor.accel.content import digest_of

MANIFEST = "savor.json"
_FORMAT = 1


class Damaged(Exception):
    """An entry that is not what was written. The text names the first file at fault."""


@dataclass(frozen=True)
class Entry:
    """One compiled model: a folder with its graphs and a manifest."""

    key: str
    folder: Path

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What the entry was made of, and the report of its verification. Raises Damaged."""
        try:
            read: dict[str, Any] = json.loads((self.folder / MANIFEST).read_text())
            seal = read.pop("seal")
            read["files"] = dict(read["files"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise Damaged(f"{self.folder / MANIFEST} can't be read ({type(error).__name__})") from error
        if read.get("format") != _FORMAT:
            raise Damaged(f"{self.folder / MANIFEST} is of format {read.get('format')}; this version has {_FORMAT}")
        if seal != _seal(read):
            raise Damaged(f"{self.folder / MANIFEST} is not what was written")
        return read

    @property
    def size_bytes(self) -> int:
        """What the entry takes on disk."""
        return sum(_stat(Path(parent, name)).st_size for parent, _, files in os.walk(self.folder) for name in files)

    @property
    def used_s(self) -> float:
        """When the entry was last used, in seconds since 1970."""
        manifest = self.folder / MANIFEST
        return _stat(manifest if manifest.is_file() else self.folder).st_mtime

    @property
    def in_use(self) -> bool:
        """Whether a process that lives, this one too, was given the entry and may still read it."""
        try:
            with locks.unshared(self.folder / MANIFEST) as unused:
                return not unused
        except OSError:
            return False

    def check(self, digest: Callable[[Path], str] = digest_of) -> None:
        """Raises Damaged where a file is missing or differs from what was written."""
        for name, written in self.manifest["files"].items():
            try:
                same = digest(self.folder / name) == written
            except (OSError, ValueError) as error:
                raise Damaged(f"{self.folder / name} can't be read ({type(error).__name__})") from error
            if not same:
                raise Damaged(f"{self.folder / name} is not what was written")


def finish(draft: Path, facts: Mapping[str, Any]) -> None:
    """Makes a folder an entry: writes its manifest with these facts, and all of it to the disk. Raises OSError."""
    files = {file.relative_to(draft).as_posix(): digest_of(file) for file in sorted(draft.rglob("*")) if file.is_file()}
    manifest = json.loads(json.dumps({**facts, "format": _FORMAT, "made_s": time.time(), "files": files}))
    (draft / MANIFEST).write_text(json.dumps({**manifest, "seal": _seal(manifest)}, indent=2))
    for path in (*draft.rglob("*"), draft):
        sync(path)


def _seal(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def sync(path: Path) -> None:
    """Has the system write a file, or what is in a folder, to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stat(path: Path) -> os.stat_result:
    """What the system says of a file; of one that has just gone, that it is empty and old."""
    try:
        return path.stat()
    except FileNotFoundError:
        return os.stat_result((0,) * 10)
