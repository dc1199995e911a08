"""The calls that models are verified with: of several lengths, those of the input example too, and none that can't be read."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from savor.accel.probes import probes
from savor.flavor.item import Forward, Generate, Step
from tests import tiny_models, tiny_pipelines
from tests.compiling import fresh
from tests.flavor.artifacts import artifact

RECIPES = [name for name in tiny_models.RECIPES if "-with-" not in name]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_family_is_probed_with_several_lengths(recipe: str) -> None:
    found = probes(artifact(recipe))
    assert len(found) >= 3
    assert list(found)[:2] == ["1 words", "6 words"]
    items = [item for each in found.values() for item in each]
    assert len({item.length for item in items}) >= (1 if recipe in ("image-classifier", "whisper") else 3)
    assert len({str(item.arrays) for item in items}) >= 3


def test_texts_that_the_model_can_not_read_are_left_out() -> None:
    found = probes(artifact("classifier"))
    assert "250 words" not in found
    assert all(item.length <= 64 for items in found.values() for item in items)


def test_long_texts_become_many_windows() -> None:
    found = probes(artifact("reader"))
    assert len(found["250 words"]) > len(found["6 words"])


@pytest.mark.parametrize("recipe", ["generator", "text2text", "chatter", "llm-completions"])
def test_tokens_are_chosen_greedily(recipe: str) -> None:
    runs = {item.run for items in probes(artifact(recipe)).values() for item in items}
    for run in runs:
        assert isinstance(run, Generate)
        assert (run.options["do_sample"], run.options["num_beams"]) == (False, 1)
        assert run.options["max_new_tokens"] <= 16


def test_speech_that_is_told_in_labels_is_scored_too() -> None:
    """Labels alone would hide how near the others were."""
    for items in probes(artifact("ctc")).values():
        assert [type(item.run) for item in items] == [Step, Forward]
    for items in probes(artifact("whisper")).values():
        assert [type(item.run) for item in items] == [Step]


EXAMPLES = [
    pytest.param("one text", 1, id="a text"),
    pytest.param(["one text", "another", "and a third"], 3, id="texts"),
    pytest.param(pd.DataFrame({"text": ["one text", "another"]}), 2, id="a table"),
    pytest.param([{"text": "one text", "text_pair": "another"}], 2, id="pairs"),
    pytest.param([f"text {number}" for number in range(9)], 4, id="no more than a few"),
    pytest.param(["one text", "word " * 5_000], 1, id="one that is too long to be read"),
]


@pytest.mark.parametrize(("example", "count"), EXAMPLES)
def test_the_texts_of_the_input_example(example: Any, count: int, tmp_path: Path) -> None:
    folder = tiny_models.save(tiny_pipelines.classifier(), tmp_path / "model", input_example=example)
    names = [name for name in probes(fresh(folder)) if name.startswith("input example")]
    assert names == [f"input example {index + 1}" for index in range(count)]


def test_an_example_that_is_damaged_is_left_out(tmp_path: Path) -> None:
    folder = tiny_models.save(tiny_pipelines.classifier(), tmp_path / "model", input_example="a text")
    for file in folder.glob("*input_example.json"):
        file.write_text("{")
    assert all("words" in name for name in probes(fresh(folder)))
