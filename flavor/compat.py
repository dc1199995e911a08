"""Models saved under transformers 5, loaded under 4: a view of the folder in which a few words are 4's.

transformers 5 records `TokenizersBackend` as the class of most tokenizers, which 4 calls `PreTrainedTokenizerFast`, and
writes additional special tokens as a list under a name that 4 uses for a mapping. The view links every file and
rewrites only those two things; the saved model itself is never changed.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from savor.flavor.saved import SavedModel

_NAME_IN_5, _NAME_IN_4 = "TokenizersBackend", "PreTrainedTokenizerFast"


@contextmanager
def readable(saved: SavedModel) -> Iterator[SavedModel]:
    """The model where the installed transformers can load it: itself, or a temporary view of it."""
    import transformers

    if not _needs_view(saved) or int(transformers.__version__.split(".")[0]) >= 5:
        yield saved
        return
    with TemporaryDirectory(prefix="savor-view-") as folder:
        view = Path(folder)
        _link(saved.path, view)
        yield replace(saved, path=view)


def _needs_view(saved: SavedModel) -> bool:
    recorded = _NAME_IN_5 in (saved.path / "MLmodel").read_text()
    return recorded or any(config != _as_4(config) for config in map(_read, _tokenizer_configs(saved.path)))


def _tokenizer_configs(folder: Path) -> list[Path]:
    return sorted(folder.rglob("tokenizer_config.json"))


def _link(source: Path, view: Path) -> None:
    for parent, _, names in os.walk(source, followlinks=True):
        there = view / Path(parent).relative_to(source)
        there.mkdir(exist_ok=True)
        for name in names:
            _link_or_rewrite(Path(parent, name), there / name)


def _link_or_rewrite(source: Path, target: Path) -> None:
    if source.name == "tokenizer_config.json":
        target.write_text(json.dumps(_as_4(_read(source))))
    elif source.name == "MLmodel":
        text = yaml.safe_load(source.read_text())
        text["flavors"]["transformers"] = _renamed(text["flavors"]["transformers"])
        target.write_text(yaml.safe_dump(text))
    else:
        target.symlink_to(source.resolve())


def _read(file: Path) -> Any:
    return json.loads(file.read_text())


def _as_4(config: dict[str, Any]) -> dict[str, Any]:
    changed = _renamed(config)
    if isinstance(changed.get("extra_special_tokens"), list):
        changed["additional_special_tokens"] = changed.pop("extra_special_tokens")
    return changed


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    return {key: _NAME_IN_4 if value == _NAME_IN_5 else value for key, value in values.items()}
