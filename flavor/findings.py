"""What the operator should know of a saved model that loads: what callers will miss, what is read another way."""

from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from savor.flavor import compat
from savor.flavor.saved import SavedModel, legacy_config
from savor.flavor.template import TEMPLATED_TASKS

CONVERSATIONAL = "conversational"


def of(saved: SavedModel) -> Iterator[str]:
    """One sentence for each finding."""
    yield from _signature(saved)
    yield from _template(saved)
    yield from _layout(saved)
    yield from _versions(saved)


def _signature(saved: SavedModel) -> Iterator[str]:
    if saved.signature is None:
        yield "it has no signature: request parameters are ignored, and MLflow itself takes its input unchecked"
    elif saved.params_schema is None and not saved.inference_task:
        yield "its signature has no parameters: those of requests are ignored; save it with params in its input example"
    if not saved.pyfunc:
        yield "it has no python_function flavor: MLflow itself can't predict with it"


def _template(saved: SavedModel) -> Iterator[str]:
    if saved.metadata.get("prompt_template") is not None and saved.prompt_template is None:
        tasks = ", ".join(sorted(TEMPLATED_TASKS))
        yield f"its prompt template is ignored: MLflow fills templates for {tasks} alone, and not for {saved.task}"
    echoes = saved.task == "text-generation" and not saved.inference_task
    if saved.prompt_template and echoes and "return_full_text" not in (saved.pyfunc.get("config") or {}):
        yield "it answers with the filled template before its own text: its model_config lacks return_full_text = false"


def _layout(saved: SavedModel) -> Iterator[str]:
    if legacy_config(saved):
        yield "components/inference_config.txt replaces its model_config and every override, as in MLflow"
    if not saved.flavor.get("model_binary") and saved.base is None and saved.reference is None:
        yield "its weights lie in the folder `pipeline`, as MLflow before 2.4.1 saved them"
    if saved.task == CONVERSATIONAL:
        yield "transformers has no conversational pipeline any more: it runs as a generator of text"
    if saved.base is not None:
        yield "its base model is not saved with it: it is read from a folder of its own"


def _versions(saved: SavedModel) -> Iterator[str]:
    import transformers

    if compat.saved_under_5(saved) and not compat.is_5(transformers.__version__):
        yield "it was saved under transformers 5: the names of its tokenizer are read as those of 4"
    elif _release(saved.transformers_version) > _release(transformers.__version__):
        newer = f"transformers {saved.transformers_version}, which is newer than this server's"
        yield f"it was saved under {newer} {transformers.__version__}: its answers may differ"


def _release(version: str) -> tuple[int, ...]:
    """Major and minor; nothing of a text that is no version."""
    try:
        return Version(version).release[:2]
    except InvalidVersion:
        return ()
