"""A server's process: pinned from its birth, its output in a file, and ended with everything that it started."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cores import Cores

HOST = "127.0.0.1"
_START_S, _STOP_S = 300.0, 30.0


class StartFailed(Exception):
    """A server that ended, or did not answer in time. The text has the last lines of what it said."""


class ServerProcess:
    """One server, in a session of its own."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @classmethod
    async def start(
        cls, command: Sequence[str], cores: Cores, log: Path, extra: Mapping[str, str] | None = None
    ) -> "ServerProcess":
        """Starts a program on the servers' cores, with `extra` added to the environment that all servers get."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output, cores.inherited_by_servers():
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment(cores.threads), **(extra or {})},
                start_new_session=True,
            )
        return cls(process, log)

    async def until(self, ready: Coroutine[Any, Any, None]) -> None:
        """Waits until `ready` is done. Raises StartFailed where the process ends before, or time runs out."""
        waiting, ended = asyncio.create_task(ready), asyncio.create_task(self._process.wait())
        await asyncio.wait({waiting, ended}, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if waiting.done():
            waiting.result()
            return
        waiting.cancel()
        reason = "ended" if ended.done() else f"did not answer within {_START_S:g} s"
        raise StartFailed(f"{self.log.stem} {reason}:\n{self._last_lines()}")

    async def stop(self) -> None:
        """Asks the session to end, and kills what is left of it after a while."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _STOP_S)
        self._signal(signal.SIGKILL)
        await self._process.wait()

    def rss_bytes(self) -> int:
        """The memory that the process holds now. Raises OSError where the system does not tell."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

    def _signal(self, number: signal.Signals) -> None:
        # The whole session: `mlflow models serve` is a parent that does not take its worker along.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def environment(threads: int) -> Mapping[str, str]:
    """What all servers are told: so many threads, no hub, no telemetry, and this interpreter's programs first."""
    return {
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "SAVOR_THREADS": str(threads),
        "SAVOR_SERVER__DRAIN_DELAY_S": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
