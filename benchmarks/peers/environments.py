"""A virtual environment for each peer, with pinned versions, made once: one whose set-up fails is left out, and why."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2] / ".cache" / "peers"
_INSTALL_S = 1200.0


class SetUpFailed(Exception):
    """An environment that can't be made, or was not. The text says why in one line."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment: `steps` are what pip installs, one run of pip each; `patch` then mends what is broken."""

    name: str
    steps: Sequence[Sequence[str]]
    patch: Callable[[Path], None] = lambda packages: None

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return ROOT / self.name

    @property
    def packages(self) -> Path:
        """The folder that its packages are in."""
        return self.folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"

    def program(self, name: str) -> str:
        """A program of the environment."""
        return str(self.folder / "bin" / name)

    def check(self) -> None:
        """Raises SetUpFailed where it was not set up as it is described here."""
        if not self._mark.is_file() or self._mark.read_text() != self._described:
            raise SetUpFailed("not set up: python -m benchmarks peers --setup")

    def set_up(self, said: Callable[[str], None]) -> None:
        """Makes what is missing. Raises SetUpFailed."""
        try:
            self.check()
        except SetUpFailed:
            self._make(said)

    def _make(self, said: Callable[[str], None]) -> None:
        self._mark.unlink(missing_ok=True)
        if not Path(self.program("python")).exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            said(f"{self.name}: making the environment")
            _run([sys.executable, "-m", "venv", str(self.folder)])
        for number, step in enumerate(self.steps, 1):
            said(f"{self.name}: installing {', '.join(step)} ({number} of {len(self.steps)})")
            _run([self.program("python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *step])
        try:
            self.patch(self.packages)
        except (OSError, ValueError) as error:
            raise SetUpFailed(f"a patch does not fit: {error}") from error
        self._mark.write_text(self._described)

    @property
    def _mark(self) -> Path:
        return self.folder / ".ready"

    @property
    def _described(self) -> str:
        return hashlib.sha256(repr((self.steps, self.patch.__name__)).encode()).hexdigest()


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
    except subprocess.TimeoutExpired as error:
        raise SetUpFailed(f"{command[0]} took longer than {_INSTALL_S:g} s") from error
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if not line.startswith("WARNING")] or ["no reason given"]
        raise SetUpFailed(f"pip: {lines[-1][:200]}") from error
