"""Which CPU cores the servers and the load take, so that neither disturbs the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Cores:
    """The cores of the servers and those of the load, both empty where nothing is pinned; and a server's threads."""

    servers: frozenset[int]
    load: frozenset[int]
    threads: int

    @contextmanager
    def inherited_by_servers(self) -> Iterator[None]:
        """A process started in this block runs on the servers' cores from its first instruction on."""
        pin(self.servers)
        try:
            yield
        finally:
            pin(self.load)

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        if not self.servers:
            return f"not pinned, {threads} for each server"
        return f"servers on core {_listed(self.servers)} with {threads}, load on core {_listed(self.load)}"


def divide(threads: int, *, pinned: bool) -> Cores:
    """As many cores for the servers as they have threads, the rest for the load; none pinned where none would be left.

    The servers share their cores: only one of them is under load at a time.
    """
    cores = sorted(available())
    if not pinned or not hasattr(os, "sched_setaffinity") or len(cores) <= threads:
        return Cores(frozenset(), frozenset(), threads)
    return Cores(frozenset(cores[:threads]), frozenset(cores[threads:]), threads)


def available() -> frozenset[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def pin(cores: frozenset[int]) -> None:
    """Keeps this thread, and what it starts from now on, to these cores; to all where there are none."""
    if cores:
        os.sched_setaffinity(0, cores)


def _listed(cores: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
