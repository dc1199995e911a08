"""The table of docs/parity.md: each of its rows has a test, and what MLflow does there it still does.

The typed reply on each row is the tests' of its family; here both doors are asked the same, MLflow with its defects.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from savor.client import Client
from tests.parity import models, texts
from tests.parity.agreement import Refused, of_mlflow
from tests.parity.doors import DOORS
from tests.parity.media import picture, recording
from tests.parity.models import Variant
from tests.parity.oracle import pyfunc, read
from tests.parity.test_typed_door import check

NAMED: dict[str, Variant] = {variant.name: variant for variant in models.VARIANTS}
LITERAL = ("'quoted'", "'a' 'b'", '"quoted"', "'''x'''", "u'x'")


def ask(client_of: Callable[[str], Client], name: str, inputs: Any, **params: Any) -> tuple[Any, Any]:
    """The typed door's plain answer, and MLflow's as it is."""
    variant = NAMED[name]
    door, loaded = DOORS[variant.door], pyfunc(str(models.saved(variant)))
    theirs = of_mlflow(lambda: loaded.predict(door.rows(inputs), params=params or None))
    return door.ours(client_of(variant.door), name, inputs, params), theirs


def test_every_row_of_the_table_has_a_test() -> None:
    rows = re.findall(r"^\| (B\d+) \|", read("docs/parity.md").decode(), re.MULTILINE)
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    assert rows == [f"B{number}" for number in range(1, 1 + len(rows))]
    assert set(rows) <= set(re.findall(r"\bB\d+\b", tests))


@pytest.mark.parametrize("text", LITERAL)
def test_mlflow_evaluates_a_literal(client_of: Callable[[str], Client], text: str) -> None:
    """B1."""
    ours, theirs = ask(client_of, "text-classification-default", [text])
    assert ours[0][0][1] != pytest.approx(theirs["score"][0], abs=1e-5)


@settings(max_examples=20)
@given(number=st.one_of(st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False)))
def test_mlflow_fails_on_any_number(client_of: Callable[[str], Client], number: float) -> None:
    """B1."""
    ours, theirs = ask(client_of, "text-classification-default", [str(number)])
    assert len(ours) == 1
    assert isinstance(theirs, Refused)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_mlflow_answers_the_first_text_alone(client_of: Callable[[str], Client], size: int) -> None:
    """B4."""
    ours, theirs = ask(client_of, "feature-extraction-default", ["a text", "another", "x"][:size])
    assert len(ours) == size
    assert theirs.shape == ours[0].shape


def test_mlflow_has_no_answer_without_entities(client_of: Callable[[str], Client]) -> None:
    """B3."""
    ours, theirs = ask(client_of, "token-classification-default", ["the Licensor", ""])
    assert ours[1] == ""
    assert isinstance(theirs, Refused)
    assert theirs.reason.startswith("IndexError")


def test_mlflow_mixes_masks_and_texts(client_of: Callable[[str], Client]) -> None:
    """B6."""
    _, one = ask(client_of, "fill-mask-default", ["[MASK] a [MASK]"])
    _, two = ask(client_of, "fill-mask-default", ["[MASK] a", "a [MASK]"])
    assert [type(each) for each in one] == [type(each) for each in two] == [str, str]


def test_mlflow_lists_the_answers_of_all_questions(client_of: Callable[[str], Client]) -> None:
    """B7."""
    asked = [("who?", "the work of the Licensor"), ("what?", "a license")]
    ours, theirs = ask(client_of, "question-answering-explicit", asked, top_k=2)
    assert ours == theirs
    assert len(theirs) == 4


def test_mlflow_mixes_segments_of_a_batch(client_of: Callable[[str], Client]) -> None:
    """B8."""
    ours, theirs = ask(client_of, "whisper-config", [recording(4, 9_000), recording(5)])
    assert len(ours) == 2
    assert len(theirs) > 2


def test_mlflow_answers_equal_texts_once(client_of: Callable[[str], Client]) -> None:
    """B10."""
    asked = texts.ZeroShot(["one", "two", "one"], ["law", "food"])
    ours, theirs = ask(client_of, "zero-shot-classification-default", asked)
    assert [text for text, _, _ in ours[::2]] == ["one", "two", "one"]
    assert list(theirs["sequence"][::2]) == ["one", "two"]


def test_mlflow_has_cells_for_images(client_of: Callable[[str], Client]) -> None:
    """B12."""
    ours, theirs = ask(client_of, "image-classification-default", [picture()])
    assert list(theirs.columns) == list(range(len(ours[0])))
    assert theirs[0][0].keys() == {"label", "score"}


@settings(max_examples=15)
@given(text=texts.texts)
def test_white_space_alone_is_stripped(client_of: Callable[[str], Client], text: str) -> None:
    """White space at the ends: MLflow strips what the typed reply keeps, and nothing else."""
    assume(text)
    check(client_of("text-generation"), NAMED["text-generation-explicit"], [f" {text} "], {"return_full_text": True})
