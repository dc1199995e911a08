"""Models saved under transformers 5, loaded under 4: a view of the folder in which a few words are 4's.

transformers 5 calls its fast tokenizers `TokenizersBackend` or by the name of 4's slow class (`BertTokenizer` for 4's
`BertTokenizerFast`), and lists additional special tokens under a name that 4 uses for a mapping. The view links every
file and rewrites only those words; the saved model itself is never changed.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from savor.flavor.saved import SavedModel

UNIVERSAL_IN_5 = "TokenizersBackend"
_UNIVERSAL_IN_4 = "PreTrainedTokenizerFast"


@contextmanager
def readable(saved: SavedModel) -> Iterator[SavedModel]:
    """The model where the installed transformers can load it: itself, or a temporary view of it."""
    import transformers

    if not saved_under_5(saved) or is_5(transformers.__version__):
        yield saved
        return
    with TemporaryDirectory(prefix="savor-view-") as folder:
        view = Path(folder)
        _link(saved.path, view)
        yield replace(saved, path=view)


def saved_under_5(saved: SavedModel) -> bool:
    """Whether transformers 5 or later wrote the model."""
    return is_5(saved.transformers_version) or saved.flavor.get("tokenizer_type") == UNIVERSAL_IN_5


def is_5(version: str) -> bool:
    """Whether a version of transformers is 5 or later; no for a text that is no version."""
    major = version.split(".")[0]
    return major.isdecimal() and int(major) >= 5


def _link(source: Path, view: Path) -> None:
    for parent, _, names in os.walk(source, followlinks=True):
        there = view / Path(parent).relative_to(source)
        there.mkdir(exist_ok=True)
        for name in names:
            _link_or_rewrite(Path(parent, name), there / name)


def _link_or_rewrite(source: Path, target: Path) -> None:
    if source.name == "tokenizer_config.json":
        target.write_text(json.dumps(_config_in_4(json.loads(source.read_text()))))
    elif source.name == "MLmodel":
        target.write_text(yaml.safe_dump(_mlmodel_in_4(yaml.safe_load(source.read_text()), source.parent)))
    else:
        target.symlink_to(source.resolve())


def _config_in_4(config: Mapping[str, Any]) -> dict[str, Any]:
    changed = dict(config)
    if _is_fast(config):
        changed["tokenizer_class"] = _class_in_4(str(config.get("tokenizer_class")))
    if isinstance(config.get("extra_special_tokens"), list):
        changed["additional_special_tokens"] = changed.pop("extra_special_tokens")
    return changed


def _mlmodel_in_4(mlmodel: dict[str, Any], folder: Path) -> dict[str, Any]:
    flavor = mlmodel["flavors"]["transformers"]
    files = (folder / part / "tokenizer_config.json" for part in ("components/tokenizer", "model"))
    configs = [json.loads(file.read_text()) for file in files if file.is_file()]
    if flavor.get("tokenizer_type") and any(map(_is_fast, configs)):
        flavor["tokenizer_type"] = _class_in_4(flavor["tokenizer_type"])
    return mlmodel


def _is_fast(config: Mapping[str, Any]) -> bool:
    """Whether transformers 5 wrote this tokenizer as one of the tokenizers library."""
    return config.get("backend") == "tokenizers" or config.get("tokenizer_class") == UNIVERSAL_IN_5


def _class_in_4(name: str) -> str:
    import transformers

    if name == UNIVERSAL_IN_5:
        return _UNIVERSAL_IN_4
    return f"{name}Fast" if hasattr(transformers, f"{name}Fast") else name
