"""`savor serve` as a target: the typed RPC over one gRPC channel."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.answers import Answer
from benchmarks.cores import Cores
from benchmarks.process import HOST, ServerProcess, free_port
from benchmarks.servers.typed import TypedCalls
from savor.client import connect_aio

_START_S = 600.0


@dataclass(frozen=True)
class Serving:
    """What Savor is to serve and how; compiled models are kept in the folder `compiled`."""

    model: Path
    compiled: Path
    accel: str = "onnx"
    precision: str = "fp32"
    device: str = "cpu"


class SavorServer:
    """One process of Savor. Which calls are put on it is the caller's affair: it serves models of every family."""

    def __init__(self, serving: Serving, log: Path) -> None:
        self.serving = serving
        self.address = ""
        self._log = log
        self._process: ServerProcess | None = None

    @property
    def process(self) -> ServerProcess:
        """The process; there is one once it was started."""
        assert self._process is not None
        return self._process

    async def start(self, cores: Cores) -> None:
        """See `Target.start`."""
        port = str(free_port())
        self.address = f"{HOST}:{port}"
        serving = self.serving
        where = ["--host", HOST, "--port", port, "--device", serving.device]
        how = ["--accel", serving.accel, "--precision", serving.precision]
        command = [sys.executable, "-m", "savor.server", "serve", str(serving.model), *where, *how]
        extra: Mapping[str, str] = {"SAVOR_CACHE__DIR": str(serving.compiled)}
        self._process = await ServerProcess.start(command, cores, self._log, extra)
        async with connect_aio(self.address, retries=0) as client:
            await self._process.until(client.wait_ready(_START_S))

    async def backend(self) -> str:
        """How the model is executed, as the server tells."""
        async with connect_aio(self.address) as client:
            backend = (await client.get_model()).model.backend
        return f"{backend.name}, {backend.precision}" if backend else "unknown"

    async def stop(self) -> None:
        """See `Target.stop`."""
        if self._process is not None:
            await self._process.stop()


class SavorTarget:
    """See `Target`."""

    def __init__(self, serving: Serving, log: Path) -> None:
        self.server = SavorServer(serving, log)
        self._calls: TypedCalls | None = None

    @property
    def name(self) -> str:
        """See `Target.name`."""
        return f"Savor ({self.server.serving.accel}, {self.server.serving.precision})"

    async def start(self, cores: Cores) -> None:
        """See `Target.start`."""
        await self.server.start(cores)
        self._calls = TypedCalls(self.server.address)

    async def call(self, texts: Sequence[str], timeout_s: float = 60.0) -> Sequence[Answer]:
        """See `Target.call`."""
        assert self._calls is not None
        return await self._calls.classify(texts, timeout_s)

    async def stop(self) -> None:
        """See `Target.stop`."""
        if self._calls is not None:
            await self._calls.close()
        await self.server.stop()
