"""`savor serve` as a process of its own, with all that it says on stderr: before it is ready, and after its end."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

READY = r"ready on (?P<target>\S+:\d+):"
LISTENING = r"listening on (?P<target>\S+:\d+)"

_WAIT_S = 90


class Launched:
    """A process under way. `said` is its stderr so far."""

    def __init__(self, popen: "subprocess.Popen[str]") -> None:
        self.popen = popen
        self._lines: list[str] = []
        self._fresh: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def said(self) -> str:
        return "".join(self._lines)

    def until(self, pattern: str) -> re.Match[str]:
        """The next line with this pattern. Raises AssertionError where the process ends or hangs without it."""
        ends_at = time.monotonic() + _WAIT_S
        while True:
            line = self._next(ends_at)
            assert line is not None, f"ended without {pattern!r}:\n{self.said}"
            if found := re.search(pattern, line):
                return found

    def target(self) -> str:
        """Where it listens, once every model answers."""
        return self.until(READY)["target"]

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def ended(self, within_s: float = _WAIT_S) -> int:
        """The exit status. Raises subprocess.TimeoutExpired where it goes on for longer."""
        status = self.popen.wait(within_s)
        self._reader.join()
        return status

    def _next(self, ends_at: float) -> str | None:
        try:
            return self._fresh.get(timeout=max(ends_at - time.monotonic(), 0.01))
        except queue.Empty:
            raise AssertionError(f"nothing more within {_WAIT_S} s:\n{self.said}") from None

    def _read(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self._lines.append(line)
            self._fresh.put(line)
        self._fresh.put(None)


@contextmanager
def launched(*arguments: str, **environment: str) -> Iterator[Launched]:
    """Runs `savor serve` with these arguments and environment variables; kills it where the block leaves it running.

    Models that the arguments name run eager, where these do not say otherwise.
    """
    command = [sys.executable, "-m", "savor.server", "serve", "--accel", "eager", *arguments]
    # One thread for each model, as other tests need the CPUs too; wide, so that no line of the log is broken.
    variables = {**os.environ, "SAVOR_THREADS": "1", "COLUMNS": "1000", **environment}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=variables) as popen:
        try:
            yield Launched(popen)
        finally:
            popen.kill()
