"""What the accuracy benchmark says of rows that differ by known amounts, and the page that it writes."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import accuracy, page
from savor.flavor.item import Row


def scores(*values: list[float]) -> list[Row]:
    return [{"output": np.array(each, np.float32)} for each in values]


def tokens(*values: list[int]) -> list[Row]:
    """Generated tokens as the backend gives them: the longest sequence fills up the others."""
    return [{"tokens": np.array([[*each, 0, 0]]), "lengths": np.array([len(each)])} for each in values]


NOBODY: Any = None


def test_labels_are_counted_over_all_texts() -> None:
    given = accuracy.labels(NOBODY, scores([1, 2], [2, 1]), scores([1, 3], [1, 2]))
    assert given == "50.00% of 2 labels"


def test_labels_of_tokens_are_counted_over_all_tokens() -> None:
    text = [{"logits": np.array([[1.0, 2.0], [2.0, 1.0], [0.0, 1.0], [0.0, 3.0]])}]
    other = [{"logits": np.array([[1.0, 2.0], [2.0, 1.0], [0.0, 1.0], [3.0, 0.0]])}]
    assert accuracy.labels(NOBODY, text, other) == "75.00% of 4 labels"


def test_cosines_are_those_of_the_means() -> None:
    one = [{"output": np.array([[2.0, 0.0], [0.0, 0.0]])}, {"output": np.array([[0.0, 1.0]])}]
    other = [{"output": np.array([[5.0, 0.0]])}, {"output": np.array([[1.0, 1.0]])}]
    assert accuracy.embeddings(NOBODY, one, other) == f"cosine {(1 + math.sqrt(0.5)) / 2:.4f}, lowest 0.7071 of 2"


def test_texts_and_tokens_at_the_same_place() -> None:
    given = accuracy.written(NOBODY, tokens([1, 2, 3], [4]), tokens([1, 2, 3], [5, 6]))
    assert given == "1 of 2 texts, 60.0% of tokens"


def test_words_that_were_heard_wrong() -> None:
    decode = lambda row, skip_special_tokens: " ".join(map(str, row))  # noqa: E731
    artifact: Any = SimpleNamespace(pipeline=SimpleNamespace(tokenizer=SimpleNamespace(decode=decode)))
    assert accuracy.heard(artifact, tokens([1, 2, 3, 4]), tokens([1, 3, 4])) == "25.0% of 4 words wrong"


@pytest.mark.parametrize(
    ("given", "count"),
    [
        pytest.param("the work is done", 0, id="equal"),
        pytest.param("the work was done", 1, id="another word"),
        pytest.param("the work is", 1, id="one left out"),
        pytest.param("so the work is all done", 2, id="two added"),
        pytest.param("", 4, id="nothing"),
    ],
)
def test_edits(given: str, count: int) -> None:
    assert accuracy.edits(["the", "work", "is", "done"], given.split()) == count


def test_differences_are_shares_of_the_largest_of_all() -> None:
    assert accuracy.differences(scores([1, -4], [2, 0]), scores([1, -4], [1, 0])) == ("0.25", "0.062")
    assert accuracy.differences(tokens([1]), tokens([2])) == ("-", "-")


def test_the_page_has_its_markers() -> None:
    text = accuracy.PAGE.read_text(encoding="utf-8")
    section = accuracy.section([("a model", "ONNX int8", "0.1", "0.01", "all", "1", "2.00", "yes")])
    assert "| a model | ONNX int8 | 0.1 |" in page.replaced(text, accuracy.SECTION, section, "precision.md")
    assert "python -m benchmarks.accuracy --write" in section
