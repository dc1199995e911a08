"""Whether two answers say the same: equal texts, numbers as near as machines differ, however a stream was cut."""

from math import isclose
from typing import Any

from docs.answers import Answer

TOLERANCE = 1e-3


def agree(one: Answer, other: Answer) -> bool:
    """Whether they do."""
    return _alike(_joined(one), _joined(other))


def _joined(answer: Answer) -> Any:
    """The pieces of generated sequences as one for each; other answers as they are."""
    pieces = [piece for message in answer for piece in message.get("results", [])]
    if not any("tokenCount" in piece for piece in pieces):
        return answer
    whole: dict[Any, dict[str, Any]] = {}
    for piece in pieces:
        so_far = whole.setdefault((piece.get("input"), piece.get("sequence")), {"text": ""})
        so_far.update({**piece, "text": so_far["text"] + piece.get("text", "")})
    return [*whole.values(), answer[-1]]


def _alike(one: Any, other: Any) -> bool:
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
        case list(), list():
            return len(one) == len(other) and all(map(_alike, one, other))
        case int() | float(), int() | float():
            return isclose(one, other, abs_tol=TOLERANCE)
    return bool(one == other)
