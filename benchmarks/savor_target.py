"""`savor serve` as a target: the typed RPC over one gRPC channel, through the client that its users have."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.answers import Answer
from benchmarks.cores import Cores
from benchmarks.process import HOST, ServerProcess, free_port
from benchmarks.target import CallFailed
from savor.client import AioClient, SavorError, connect_aio

_START_S = 600.0


class SavorTarget:
    """See `Target`."""

    name = "Savor"

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._process: ServerProcess | None = None
        self._client: AioClient | None = None

    async def start(self, model: Path, cores: Cores) -> None:
        """See `Target.start`."""
        port = str(free_port())
        command = ["savor.server", "serve", str(model), "--host", HOST, "--port", port, "--device", "cpu"]
        self._process = await ServerProcess.start(command, cores, self._logs / "savor.log")
        self._client = connect_aio(f"{HOST}:{port}", retries=0)
        await self._process.until(self._client.wait_ready(_START_S))

    async def call(self, texts: Sequence[str]) -> Sequence[Answer]:
        """See `Target.call`."""
        assert self._client is not None
        try:
            reply = await self._client.classify_text(texts)
        except SavorError as error:
            raise CallFailed(str(error)) from error
        best = [result.labels[0] for result in reply.results]
        return [Answer(scored.label, scored.score) for scored in best]

    async def backend(self) -> str:
        """How the model is executed, as the server tells."""
        assert self._client is not None
        backend = (await self._client.get_model()).model.backend
        return f"{backend.name}, {backend.precision}" if backend else "unknown"

    async def stop(self) -> None:
        """See `Target.stop`."""
        if self._client is not None:
            await self._client.close()
        if self._process is not None:
            await self._process.stop()
