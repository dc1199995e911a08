"""What can be logged, from where it lies: a checkpoint folder, one of components, a PEFT adapter, or a pipeline.

Weights are loaded only where MLflow can't log the folder as it is. Nothing is fetched from a hub.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

_PARTS = ("tokenizer", "feature_extractor", "image_processor")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model")


class Unloggable(ValueError):
    """What was given can't be logged. The text says what to give instead."""


@dataclass(frozen=True)
class Checkpoint:
    """What is to be logged."""

    model: Any
    """As `mlflow.transformers.log_model` takes it: a pipeline, or a folder that is copied whole."""
    pipeline: Callable[[], Any]
    """The loaded pipeline, loaded at the first call at the latest."""
    base: Path | None = None
    """The base model of an adapter."""
    card: Path | None = None


def opened(source: Any, task: str, base: str | None = None) -> Checkpoint:
    """The checkpoint of a folder's path, of a mapping of components, or of a `transformers.Pipeline`.

    `task` is a pipeline task and `base` the base model's folder, for an adapter. Raises Unloggable.
    """
    if isinstance(source, str | Path):
        return _at(Path(source), task, base)
    pipeline = _built(task, **source) if isinstance(source, Mapping) else source
    return _of(pipeline, Path(base).absolute() if base else None)


def _at(folder: Path, task: str, base: str | None) -> Checkpoint:
    if not folder.is_dir():
        raise Unloggable(f"there is no folder {folder}; a model of a hub is logged from where it was downloaded to")
    for name, read in _LAYOUTS.items():
        if (folder / name).is_file():
            return read(folder.absolute(), task, base)
    raise Unloggable(f"{folder} is no checkpoint: it has none of {', '.join(_LAYOUTS)}")


def _saved(folder: Path, _task: str, _base: str | None) -> Checkpoint:
    raise Unloggable(f"{folder} is a saved MLflow model already: serve it as it is, or register it with MLflow")


def _whole(folder: Path, task: str, base: str | None) -> Checkpoint:
    if base is not None:
        raise Unloggable(f"{folder} is a model of its own, so it takes no base model")
    fits = _check_class(folder, task)
    pipeline = partial(_built, task, model=str(folder))
    card = folder / "README.md"
    # MLflow copies a folder whole only where it finds a tokenizer, forgets what prepares recordings and images, and
    # loads the class that wrote the checkpoint even where the task's is another.
    prepared = (folder / "preprocessor_config.json").is_file()
    whole = fits and not prepared and any((folder / name).is_file() for name in _TOKENIZERS)
    return Checkpoint(str(folder) if whole else pipeline(), pipeline, card=card if card.is_file() else None)


def _check_class(folder: Path, task: str) -> bool:
    """Whether the class that wrote a checkpoint is the one that the task's pipeline runs.

    Any class has features to extract. Raises Unloggable where another task's class would leave weights untrained.
    """
    config = _tried(lambda: dict(json.loads((folder / "config.json").read_text())), f"{folder}/config.json is damaged")
    written = next(iter(config.get("architectures") or ()), None)
    wanted = _classes(task, str(config.get("model_type")))
    if wanted and written not in {None, *wanted} and task != "feature-extraction":
        raise Unloggable(f"{folder} is a {written}, and {task} takes a {' or '.join(sorted(wanted))}")
    return written in wanted


def _classes(task: str, model_type: str) -> set[str]:
    """The names of the classes that a task's pipeline runs for a type of models."""
    from transformers.pipelines import PIPELINE_REGISTRY

    automatic = PIPELINE_REGISTRY.check_task(task)[1]["pt"]
    named = (each._model_mapping._model_mapping.get(model_type) or () for each in automatic)
    return {name for names in named for name in ((names,) if isinstance(names, str) else names)}


def _of_parts(folder: Path, task: str, base: str | None) -> Checkpoint:
    if base is not None:
        raise Unloggable(f"{folder} has its own weights, so it takes no base model")
    _check_class(folder / "model", task)
    roots = (folder, folder / "components")
    found = {part: str(root / part) for root in roots for part in _PARTS if (root / part).is_dir()}
    return _of(_built(task, model=str(folder / "model"), **found))


def _adapter(folder: Path, task: str, base: str | None) -> Checkpoint:
    from peft import PeftModel

    file = folder / "adapter_config.json"
    config = _tried(lambda: dict(json.loads(file.read_text())), f"{file} is damaged")
    named = base or str(config.get("base_model_name_or_path") or "")
    if not Path(named, "config.json").is_file():
        raise Unloggable(f"{folder} is an adapter of {named or 'a model'}, which is no folder here: give --base-model")
    _check_class(Path(named), task)
    below = _built(task, model=named)
    tokenizer = _tokenizer(folder) or below.tokenizer
    model = _tried(partial(PeftModel.from_pretrained, below.model, str(folder)), f"{folder} does not fit {named}")
    return _of(_built(task, model=model.eval(), tokenizer=tokenizer), Path(named).absolute())


def _tokenizer(folder: Path) -> Any:
    import transformers

    there = (folder / "tokenizer_config.json").is_file()
    return transformers.AutoTokenizer.from_pretrained(folder) if there else None


def _of(pipeline: Any, base: Path | None = None) -> Checkpoint:
    if not hasattr(pipeline, "model") or not hasattr(pipeline, "task"):
        raise Unloggable(f"a {type(pipeline).__name__} can't be logged: give a folder, a pipeline or its components")
    return Checkpoint(pipeline, lambda: pipeline, base)


def _built(task: str, **parts: Any) -> Any:
    import transformers

    make = partial(transformers.pipeline, task, trust_remote_code=False, **parts)
    return _tried(make, f"transformers makes no {task} pipeline of it")


def _tried(make: Callable[[], Any], otherwise: str) -> Any:
    try:
        return make()
    except Exception as error:
        # transformers and peft raise whatever the first wrong word leads to.
        raise Unloggable(f"{otherwise}: {type(error).__name__}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an error of a library says first; some go on for pages."""
    return next(iter(str(error).strip().splitlines()), "")


_LAYOUTS: Mapping[str, Callable[[Path, str, str | None], Checkpoint]] = {
    "MLmodel": _saved,
    "adapter_config.json": _adapter,
    "config.json": _whole,
    "model/config.json": _of_parts,
}
"""What a folder is, by the file that it has; the first that is there decides."""
