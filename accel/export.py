"""A loaded model to ONNX graphs in a folder, through optimum: which tasks can be, and by which class each is run."""

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savor.flavor.artifact import Artifact


class NotCompiled(Exception):
    """A model that is not compiled. The text says why to the operator, `reason` to callers: it names no place here."""

    def __init__(self, text: str, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason or text


@dataclass(frozen=True)
class Route:
    """How a pipeline task is exported: optimum's name for it, and the class that runs the graphs."""

    task: str
    runner: str


_WRITES = Route("text2text-generation-with-past", "ORTModelForSeq2SeqLM")

_ROUTES: Mapping[str, Route] = {
    "feature-extraction": Route("feature-extraction", "ORTModelForFeatureExtraction"),
    "text-classification": Route("text-classification", "ORTModelForSequenceClassification"),
    "zero-shot-classification": Route("text-classification", "ORTModelForSequenceClassification"),
    "token-classification": Route("token-classification", "ORTModelForTokenClassification"),
    "question-answering": Route("question-answering", "ORTModelForQuestionAnswering"),
    "fill-mask": Route("fill-mask", "ORTModelForMaskedLM"),
    "text-generation": Route("text-generation-with-past", "ORTModelForCausalLM"),
    "text2text-generation": _WRITES,
    "summarization": _WRITES,
    "translation": _WRITES,
    "audio-classification": Route("audio-classification", "ORTModelForAudioClassification"),
    "image-classification": Route("image-classification", "ORTModelForImageClassification"),
}
_SPEECH = Route("automatic-speech-recognition-with-past", "ORTModelForSpeechSeq2Seq")
_CTC = Route("automatic-speech-recognition", "ORTModelForCTC")


def route(artifact: Artifact) -> Route:
    """How the model is exported. Raises NotCompiled for a task that optimum has no export for."""
    task = artifact.pipeline.task
    if task == "automatic-speech-recognition":
        return _CTC if artifact.pipeline.type.startswith("ctc") else _SPEECH
    family_task = "translation" if task.startswith("translation") else task
    if family_task not in _ROUTES:
        raise NotCompiled(f"optimum has no ONNX export for the pipeline task {task}")
    return _ROUTES[family_task]


def export(artifact: Artifact, folder: Path) -> None:
    """Writes the model's graphs, float32, with its configuration into a folder. Raises NotCompiled."""
    from optimum.exporters.onnx import onnx_export_from_model

    chosen = route(artifact)
    model = _whole(artifact.pipeline.model)
    try:
        with quiet():
            onnx_export_from_model(model, folder, task=chosen.task, do_validation=False)
        _drop_halves(folder)
    except Exception as error:
        # What the tracer stumbles over in a model's code can be anything.
        text = f"optimum can't export a {type(model).__name__}"
        raise NotCompiled(f"{text}: {first_line(error)}", f"{text}: {type(error).__name__}") from error


def _drop_halves(folder: Path) -> None:
    """Removes the graphs of a decoder without and with a past where one has both, and is the one that runs."""
    if any(folder.glob("decoder_model_merged.onnx*")):
        for half in ("decoder_model.onnx", "decoder_with_past_model.onnx"):
            for file in folder.glob(f"{half}*"):
                file.unlink()


def _whole(model: Any) -> Any:
    """The model without adapters: their weights merged into its own."""
    merge = getattr(model, "merge_and_unload", None)
    return merge() if merge is not None else model


def first_line(error: Exception) -> str:
    """The beginning of what an error says."""
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences who compiles: the tracer warns of every branch in a model's code, and prints what it writes."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
