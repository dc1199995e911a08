"""What identifies a compiled model: the files it was made of, how it was made, and the versions that made it.

Whatever may change a graph changes its fingerprint; names, places, times, papers and requirements of a model do not.
"""

import contextlib
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from savor.flavor.saved import SavedModel

FORMAT = 1
"""Savor's own part in a compiled model: raised whenever the export, or what is read of it, changes."""
ATTACHED = "savor"
"""The folder of a saved model that holds compiled ones: made of the model, so no part of what they are made of."""

_PACKAGES = ("torch", "transformers", "peft", "optimum", "optimum-onnx", "onnx", "onnxruntime", "onnxruntime-gpu")
_NO_CONTENT = re.compile(
    r"\..*|__pycache__|MLmodel|conda\.yaml|python_env\.yaml|requirements\.txt|registered_model_meta"
    r"|model_card\.md|model_card_data\.yaml|README\.md|license(\..+)?",
    re.IGNORECASE,
)
"""Files and folders that say about a model what is not read when it is exported; MLmodel is read word by word."""
_PLACES = frozenset({"local_base_model_path", "source_model_name"})
"""Words of the flavor that only say where something was when the model was saved."""
_REMEMBERED_BYTES = 1 << 20
_SETTLED_NS = 2_000_000_000


class Digests:
    """Digests of files, those of big ones remembered in a folder: who starts again need not read gigabytes again.

    A file counts as unchanged while its size, times and inode are the same. Its change time is set by the system with
    every write, so nothing but a defect of the disk goes unseen. Files written in the last two seconds are read each
    time: the clock of the file system might not tell the next write apart. Any number of processes may share the
    folder; one that can't be written serves with what it remembers.
    """

    def __init__(self, root: Path) -> None:
        self._file = root / "digests.json"

    def of(self, file: Path) -> str:
        """A file's SHA-256, as hexadecimal digits. Raises OSError."""
        mark, stat = _mark(file), file.stat()
        if stat.st_size < _REMEMBERED_BYTES:
            return digest_of(file)
        if mark not in self._known:
            started_ns = time.time_ns()
            digest = digest_of(file)
            if max(stat.st_mtime_ns, stat.st_ctime_ns) > started_ns - _SETTLED_NS:
                return digest
            self._known[mark] = digest
            with contextlib.suppress(OSError):
                self._write()
        return self._known[mark]

    @cached_property
    def _known(self) -> dict[str, str]:
        """Digests by mark."""
        try:
            return {str(mark): str(digest) for mark, digest in json.loads(self._file.read_text()).items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def _write(self) -> None:
        """Replaces the file. Of two processes at the same moment one is forgotten, which costs a reading at most."""
        others = Digests(self._file.parent)._known
        known = {mark: digest for mark, digest in {**others, **self._known}.items() if _current(mark)}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_name(f".digests-{os.getpid()}-{threading.get_ident()}")
        try:
            draft.write_text(json.dumps(known))
            draft.replace(self._file)
        finally:
            draft.unlink(missing_ok=True)


def _mark(file: Path) -> str:
    """A text that is equal as long as the file is."""
    stat = file.stat()
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}:{file.absolute()}"


def _current(mark: str) -> bool:
    try:
        return _mark(Path(mark.split(":", 4)[-1])) == mark
    except OSError:
        return False


def digest_of(file: Path) -> str:
    """A file's SHA-256, as hexadecimal digits: 1.3 GB/s where the CPU has instructions for it. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(saved: "SavedModel", options: Mapping[str, str], digests: Digests) -> str:
    """The key of a saved model that is compiled with these options, as hexadecimal digits. Raises OSError."""
    folders = {"model": saved.path} | ({"base": saved.base} if saved.base is not None else {})
    words: dict[str, Any] = {
        "flavor": _flavor(saved),
        "files": {
            f"{name}/{file.relative_to(folder).as_posix()}": digests.of(file)
            for name, folder in folders.items()
            for file in _files(folder)
        },
        "options": dict(options),
        "versions": versions(),
    }
    return hashlib.sha256(json.dumps(words, sort_keys=True, default=str).encode()).hexdigest()


def versions() -> dict[str, str]:
    """The versions of all that shapes a graph; packages that are not installed are left out."""
    found = {"savor-format": str(FORMAT)}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _flavor(saved: "SavedModel") -> dict[str, Any]:
    """What MLmodel says of how the model is put together; where its weights are on a hub only if they are there."""
    places = _PLACES if saved.reference is None else frozenset()
    return {name: value for name, value in saved.flavor.items() if name not in places}


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder that make the model, in a stable order; folders that are links count too."""
    for parent, folders, files in os.walk(folder, followlinks=True):
        apart = {ATTACHED} if Path(parent) == folder else set()
        folders[:] = sorted(name for name in folders if not _NO_CONTENT.fullmatch(name) and name not in apart)
        yield from (Path(parent, name) for name in sorted(files) if not _NO_CONTENT.fullmatch(name))
