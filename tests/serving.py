"""Servers for tests: in this process, with a loop in a thread of their own, or as real processes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from savor.server.app import App
from savor.server.settings import read_settings
from tests import tiny_models


class Serving:
    """A server in this process; `models` are recipes of tiny_models or paths, `settings` override each model's.

    Models run eager where the settings do not say otherwise: most tests are about what holds for every backend. They
    take one thread, as MLflow beside them does: with more, sums come in another order.
    """

    def __init__(self, models: Sequence[str], settings: Mapping[str, Any] | None = None) -> None:
        flags = {
            "models": [
                {"uri": str(folder(name)), "name": Path(name).name, "accel": "eager", **(settings or {})}
                for name in models
            ],
            "server": {"port": 0, "drain_delay_s": 0, "grace_s": 5},
            "threads": 1,
        }
        self._settings = read_settings(None, flags)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self.app: App | None = None

    @property
    def target(self) -> str:
        """Where it listens."""
        assert self.app is not None
        return f"127.0.0.1:{self.app.port}"

    def start(self) -> None:
        """Returns once every model answers; raises what kept one from it."""
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Drains and stops."""
        assert self._loop is not None
        assert self._ending is not None
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    async def _main(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self.app = App(self._settings)
        try:
            await self.app.start()
            await self.app.load()
        except BaseException as error:
            self._failure = error
            await self.app.stop(asyncio.Event())
            return
        finally:
            self._ready.set()
        await self._ending.wait()
        await self.app.stop(asyncio.Event())


def folder(model: str) -> Path:
    """A recipe's saved model, or the path itself."""
    return tiny_models.saved(model) if model in tiny_models.RECIPES else Path(model)


class Process:
    """A real `savor serve`, ready to answer on `target`."""

    def __init__(self, popen: "subprocess.Popen[str]", target: str) -> None:
        self.popen = popen
        self.target = target

    def terminate(self) -> int:
        """Sends SIGTERM and waits: the exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(60)


@contextmanager
def process(*arguments: str, environment: Mapping[str, str] | None = None):  # type: ignore[no-untyped-def]
    """Runs `savor serve`, models eager, with these arguments on a free port until the block ends; yields a Process."""
    command = [sys.executable, "-m", "savor.server", "serve", "--port", "0", "--accel", "eager", *arguments]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {}), "COLUMNS": "200"}
    ) as popen:
        assert popen.stderr is not None
        seen = []
        try:
            for line in popen.stderr:
                seen.append(line)
                if found := re.search(r"ready on (\S+:\d+)", line):
                    threading.Thread(target=popen.stderr.read, daemon=True).start()
                    yield Process(popen, found[1].rstrip(":"))
                    break
            else:
                raise RuntimeError("savor serve ended:\n" + "".join(seen))
        finally:
            if popen.poll() is None:
                popen.kill()
