"""Locks between processes on files of one host. The system frees a lock when its process ends, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def exclusive(file: Path, *, wait: bool) -> Iterator[bool]:
    """Holds the lock that a file stands for; gives False where another has it and `wait` is not set. Raises OSError.

    The file is made for the lock and goes with it.
    """
    descriptor = _acquire(file, wait=wait)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            # Who waits for this very file sees that it has gone, and makes it anew.
            file.unlink(missing_ok=True)
            os.close(descriptor)


def shared(file: Path) -> int:
    """A descriptor that holds an existing file for as long as it is open, with any number of others. Raises OSError."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def unshared(file: Path) -> Iterator[bool]:
    """Whether nobody holds an existing file, which stays so within. Raises OSError."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        yield _flock(descriptor, wait=False)
    finally:
        os.close(descriptor)


def _acquire(file: Path, *, wait: bool) -> int | None:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            locked = _flock(descriptor, wait=wait)
            if locked and _is(descriptor, file):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not locked:
            return None


def _flock(descriptor: int, *, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _is(descriptor: int, file: Path) -> bool:
    """Whether the path still leads to the file that was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
