"""What the load is put on: one server in a process of its own, started, called and stopped in the same way."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.answers import Answer
from benchmarks.cores import Cores


class CallFailed(Exception):
    """A call that brought no answer. The text says why."""


class Target(Protocol):
    """A server of one saved model. Everything happens on one event loop."""

    name: str

    async def start(self, model: Path, cores: Cores) -> None:
        """Returns once the server answers. Raises StartFailed where it does not."""

    async def call(self, texts: Sequence[str]) -> Sequence[Answer]:
        """The answers to the texts of one call, in order. Raises CallFailed."""

    async def stop(self) -> None:
        """Ends the server and waits for it; does nothing where it never started."""
