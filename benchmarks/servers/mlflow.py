"""`mlflow models serve` as a target, as its manual runs it: JSON over HTTP, on connections that are kept open."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.answers import Answer, answer_of
from benchmarks.cores import Cores
from benchmarks.process import HOST, ServerProcess, free_port
from benchmarks.servers.target import CallFailed

_CALL_S, _PAUSE_S = 60.0, 0.2


class MlflowTarget:
    """See `Target`."""

    name = "mlflow models serve"

    def __init__(self, model: Path, log: Path) -> None:
        self._model, self._log = model, log
        self._process: ServerProcess | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self, cores: Cores) -> None:
        """See `Target.start`."""
        port = str(free_port())
        where = ["--host", HOST, "--port", port, "--env-manager", "local"]
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(self._model), *where]
        self._process = await ServerProcess.start(command, cores, self._log)
        self._session = aiohttp.ClientSession(
            f"http://{HOST}:{port}",
            # One connection for each caller, however many there are.
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(_CALL_S),
        )
        await self._process.until(self._answers())

    async def call(self, texts: Sequence[str]) -> Sequence[Answer]:
        """See `Target.call`."""
        assert self._session is not None
        try:
            async with self._session.post("/invocations", json={"inputs": list(texts)}) as response:
                if response.status != 200:
                    raise CallFailed(f"HTTP {response.status}: {(await response.text())[:200]}")
                return answers_in(await response.json())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise CallFailed(f"{type(error).__name__}: {error}") from error

    async def stop(self) -> None:
        """See `Target.stop`."""
        if self._session is not None:
            await self._session.close()
        if self._process is not None:
            await self._process.stop()

    async def _answers(self) -> None:
        while True:
            if await self._pings():
                return
            await asyncio.sleep(_PAUSE_S)

    async def _pings(self) -> bool:
        assert self._session is not None
        try:
            async with self._session.get("/ping") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


def answers_in(body: Any) -> list[Answer]:
    """The answers in a reply of the scoring server. Raises CallFailed for anything else."""
    try:
        return [answer_of(scored) for scored in body["predictions"]]
    except (KeyError, TypeError, ValueError) as error:
        raise CallFailed(f"an unknown reply: {body!r:.200}") from error
