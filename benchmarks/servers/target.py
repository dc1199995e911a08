"""What the load is put on: one server in a process of its own, started, called and stopped in the same way."""

from collections.abc import Sequence
from typing import Protocol

from benchmarks.answers import Answer
from benchmarks.cores import Cores


class CallFailed(Exception):
    """A call that brought no answer. The text says why, `code` is its gRPC status where it has one."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Target(Protocol):
    """A server of one saved model. Everything happens on one event loop."""

    @property
    def name(self) -> str:
        """What tables call it."""

    async def start(self, cores: Cores) -> None:
        """Returns once the server answers. Raises StartFailed where it does not."""

    async def call(self, texts: Sequence[str]) -> Sequence[Answer]:
        """The answers to the texts of one call, in order. Raises CallFailed."""

    async def stop(self) -> None:
        """Ends the server and waits for it; does nothing where it never started."""
