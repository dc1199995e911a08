"""A peer as a target: how it is launched on a port, and how it is then called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.answers import Answer
from benchmarks.cores import Cores
from benchmarks.process import HOST, ServerProcess, free_port


@dataclass(frozen=True)
class Launch:
    """A program with its arguments, and what its environment has beside what all servers get."""

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Calls(Protocol):
    """A channel to a server."""

    async def classify(self, texts: Sequence[str]) -> list[Answer]:
        """See `Target.call`."""

    async def answers(self) -> None:
        """Returns once the server answers."""

    async def close(self) -> None:
        """Closes the channel."""


class PeerTarget:
    """See `Target`. `launch` is given the port to listen on, `connect` the address."""

    def __init__(self, name: str, launch: Callable[[int], Launch], connect: Callable[[str], Calls], log: Path) -> None:
        self.name = name
        self._launch, self._connect, self._log = launch, connect, log
        self._process: ServerProcess | None = None
        self._calls: Calls | None = None

    async def start(self, cores: Cores) -> None:
        """See `Target.start`."""
        port = free_port()
        launch = self._launch(port)
        self._process = await ServerProcess.start(launch.command, cores, self._log, launch.environment)
        self._calls = self._connect(f"{HOST}:{port}")
        await self._process.until(self._calls.answers())

    async def call(self, texts: Sequence[str]) -> Sequence[Answer]:
        """See `Target.call`."""
        assert self._calls is not None
        return await self._calls.classify(texts)

    async def stop(self) -> None:
        """See `Target.stop`."""
        if self._calls is not None:
            await self._calls.close()
        if self._process is not None:
            await self._process.stop()
