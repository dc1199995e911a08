"""Exports: the task and the class for each pipeline, graphs that are whole, and no noise while they are made."""

import logging
from pathlib import Path

import pytest

from savor.accel import export
from savor.accel.export import NotCompiled, Route, first_line, quiet
from tests.compiling import fresh
from tests.flavor.artifacts import artifact

ROUTES = [
    ("classifier", "text-classification", "ORTModelForSequenceClassification"),
    ("entailer", "text-classification", "ORTModelForSequenceClassification"),
    ("encoder", "feature-extraction", "ORTModelForFeatureExtraction"),
    ("tagger", "token-classification", "ORTModelForTokenClassification"),
    ("reader", "question-answering", "ORTModelForQuestionAnswering"),
    ("masker", "fill-mask", "ORTModelForMaskedLM"),
    ("generator", "text-generation-with-past", "ORTModelForCausalLM"),
    ("text2text", "text2text-generation-with-past", "ORTModelForSeq2SeqLM"),
    ("summarizer", "text2text-generation-with-past", "ORTModelForSeq2SeqLM"),
    ("translator", "text2text-generation-with-past", "ORTModelForSeq2SeqLM"),
    ("whisper", "automatic-speech-recognition-with-past", "ORTModelForSpeechSeq2Seq"),
    ("ctc", "automatic-speech-recognition", "ORTModelForCTC"),
    ("audio-classifier", "audio-classification", "ORTModelForAudioClassification"),
    ("image-classifier", "image-classification", "ORTModelForImageClassification"),
]


@pytest.mark.parametrize(("recipe", "task", "runner"), ROUTES)
def test_routes(recipe: str, task: str, runner: str) -> None:
    import optimum.onnxruntime

    assert export.route(artifact(recipe)) == Route(task, runner)
    assert hasattr(optimum.onnxruntime, runner)


def test_a_task_without_a_route() -> None:
    with pytest.raises(NotCompiled, match="no ONNX export for the pipeline task table-question-answering"):
        export.route(artifact("table-reader"))


def test_what_is_written_and_what_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = fresh("classifier")
    export.export(model, tmp_path)
    assert {"model.onnx", "config.json"} <= {file.name for file in tmp_path.iterdir()}
    assert capfd.readouterr().out == ""


def test_quiet_ends(capsys: pytest.CaptureFixture[str]) -> None:
    level = logging.root.manager.disable
    with pytest.raises(ZeroDivisionError), quiet():
        print("never seen", 1 / 0)
    with quiet():
        print("never seen")
    print("seen")
    assert (capsys.readouterr().out, logging.root.manager.disable) == ("seen\n", level)


LINES = [
    pytest.param(ValueError("one\ntwo"), "one", id="several lines"),
    pytest.param(ValueError("\n  one  \ntwo"), "one", id="blanks before"),
    pytest.param(ValueError(), "ValueError", id="nothing said"),
    pytest.param(ValueError("x" * 999), "x" * 200, id="too much said"),
]


@pytest.mark.parametrize(("error", "expected"), LINES)
def test_the_first_line_of_an_error(error: Exception, expected: str) -> None:
    assert first_line(error).strip() == expected


def test_a_reason_for_callers() -> None:
    assert NotCompiled("a").reason == "a"
    told = NotCompiled("there is no /srv/x", "something is missing")
    assert (str(told), told.reason) == ("there is no /srv/x", "something is missing")
