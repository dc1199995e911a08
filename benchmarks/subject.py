"""What is served and asked in most figures: a saved classifier and its right answers, made once and kept."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import model, texts
from benchmarks.answers import Answer, Expected, expect

CACHE = Path(__file__).parents[1] / ".cache" / "benchmarks"
"""Saved models, exported graphs and compiled models: whatever takes minutes to make and never changes."""


@dataclass(frozen=True)
class Subject:
    """A saved model of text classification and its answer to every text of the corpus, one by one, eager."""

    folder: Path
    expected: Expected


def subject(said: Callable[[str], None]) -> Subject:
    """The classifier. Raises WeightsUnavailable where its encoder can't be had."""
    folder, answers = CACHE / "classifier", CACHE / "answers.json"
    if not answers.is_file():
        said("saving the classifier")
        pipeline = model.classifier()
        shutil.rmtree(folder, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        model.save(pipeline, folder)
        said("computing the right answers")
        made = expect(pipeline, texts.corpus()).answers
        # Last, and whole: where it is, all is.
        draft = answers.with_suffix(".draft")
        draft.write_text(json.dumps({text: asdict(answer) for text, answer in made.items()}), encoding="utf-8")
        draft.replace(answers)
    kept = json.loads(answers.read_text(encoding="utf-8"))
    return Subject(folder, Expected({text: Answer(**answer) for text, answer in kept.items()}))
