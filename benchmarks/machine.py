"""What a figure depends on besides the code: the machine and the versions, as they are now."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("savor", "mlflow", "torch", "transformers", "onnxruntime", "grpcio", "uvicorn")


def describe() -> Mapping[str, str]:
    """Facts by name, in the order in which a reader wants them."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {found}" for name in _PACKAGES if (found := installed(name))),
    }


def processor() -> str:
    """The processor's name as Linux has it, else what Python knows."""
    lines = _read(Path("/proc/cpuinfo")).splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def installed(package: str) -> str | None:
    """The version of a package; None where it is not there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _read(file: Path) -> str:
    return file.read_text() if file.is_file() else ""
