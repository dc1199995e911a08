"""The papers that lie beside a saved model, its card and its licence: shown in part where they are long, never judged.

MLflow writes `model_card.md` and a licence file under the name that the hub's repository gave it. Where it found none
it writes a stand-in that says so; a checkpoint folder that it copied whole may still hold the real ones.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from savor.flavor.saved import SavedModel

_MAX_CHARS = 100_000
_MAX_BYTES_PER_CHAR = 4
_CUT = "\n… (cut here)"
_LICENSE = re.compile(r"license(\.[a-z]+|$)", re.IGNORECASE)
"""As MLflow chooses the licence among a repository's files."""
_STAND_IN = "A license file could not be found for the"


def model_card(saved: SavedModel) -> str:
    """The model card in Markdown; empty where there is none."""
    return next(_texts((saved.path / "model_card.md", saved.weights / "README.md")), "")


def license_text(saved: SavedModel) -> str:
    """The licence; MLflow's stand-in for it where that is all there is, and empty where there is nothing."""
    files = (file for folder in (saved.path, saved.weights) for file in _licenses(folder))
    texts = list(_texts(files))
    return min(texts, key=is_stand_in, default="")


def is_stand_in(text: str) -> bool:
    """Whether a licence is MLflow's word that it found none."""
    return text.startswith(_STAND_IN)


def _licenses(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _LICENSE.search(file.name)) if folder.is_dir() else []


def _texts(files: Iterable[Path]) -> Iterator[str]:
    """What can be read of the files, each up to a bound."""
    return (text for file in files if file.is_file() and (text := _head(file)).strip())


def _head(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            text = opened.read(_MAX_CHARS * _MAX_BYTES_PER_CHAR).decode(errors="replace")
    except OSError:
        # A paper that can't be read is no reason against its model.
        return ""
    return text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + _CUT
