"""`python -m tests.contract.stubs`: fails where the committed stubs are not what `make stubs` would write."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def stale() -> list[str]:
    """Stubs that differ from freshly generated ones, or are missing on either side."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["buf", "generate", "--output", folder], cwd=ROOT, check=True)
        fresh, committed = _stubs(Path(folder)), _stubs(ROOT)
    return sorted(name for name in fresh | committed if fresh.get(name) != committed.get(name))


def _stubs(root: Path) -> dict[str, str]:
    return {
        str(file.relative_to(root)): file.read_text()
        for file in (root / "protos").rglob("*_pb2*.py*")
        if "__pycache__" not in file.parts
    }


if __name__ == "__main__":
    if names := stale():
        sys.exit("stale stubs, run `make stubs`: " + ", ".join(names))
