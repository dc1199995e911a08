"""MLflow in this process, as the oracle, and the flattening by which typed replies lose what MLflow throws away."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import mlflow.pyfunc

from savor.client import ClassifyTextReply, GenerateTextReply, RecognizeSpeechReply
from tests import tiny_models
from tests.serving import folder


@cache
def pyfunc(model: str) -> Any:
    """A recipe's model, or the one in a folder, as MLflow serves it."""
    provide_ffmpeg()
    return mlflow.pyfunc.load_model(str(folder(model)))


def provide_ffmpeg() -> None:
    """MLflow's pipelines decode audio with a program called ffmpeg; the wheel's has another name."""
    there = tiny_models.cache() / "bin"
    there.mkdir(parents=True, exist_ok=True)
    link = there / "ffmpeg"
    if not link.exists():
        link.symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    if str(there) not in os.environ["PATH"]:
        os.environ["PATH"] += os.pathsep + str(there)


def labels(reply: ClassifyTextReply) -> list[tuple[str, float]]:
    """The best label of each text with its score, as MLflow's columns `label` and `score`."""
    return [(result.labels[0].label, result.labels[0].score) for result in reply.results]


def texts(reply: GenerateTextReply) -> list[str]:
    """The first sequence of each prompt, stripped, as MLflow's list of texts."""
    return [result.sequences[0].text.strip() for result in reply.results]


def transcripts(reply: RecognizeSpeechReply) -> list[str]:
    """The text of each recording, stripped."""
    return [result.text.strip() for result in reply.results]


def rows(frame: Any) -> Sequence[tuple[str, float]]:
    """MLflow's data frame of labels and scores as rows."""
    return list(zip(frame["label"], frame["score"], strict=True))


def read(path: str) -> bytes:
    """A file of the repository."""
    return (Path(__file__).parents[2] / path).read_bytes()
