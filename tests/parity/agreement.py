"""The one place where answers of Savor's are held against MLflow's, and counted: real numbers nearly, all else exactly."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException

from savor.client import InvalidArgument

MADE: Counter[str] = Counter()
"""The comparisons made in this run, by door."""

_WITHIN = {"typed": 2e-5, "exact": 1e-6, "compiled": 2e-5}
"""How far real numbers may be apart: in a batch of texts of several lengths, sums of float32 come in another order, and in compiled models always."""


@dataclass(frozen=True)
class Refused:
    """What stands for an answer where there is none: the reason, and MLflow's code where it says one."""

    reason: str
    code: str = ""


@dataclass(frozen=True)
class Body:
    """An answer as text, of which each letter counts."""

    text: str


def of_savor(call: Callable[[], Any]) -> Any:
    """A call's answer, or that it was refused as the caller's mistake; any other failure is raised."""
    try:
        return call()
    except InvalidArgument as error:
        said = error.violations[0].description if error.violations else error.message
        return Refused(said, error.metadata.get("mlflow_error_code", ""))


def of_mlflow(call: Callable[[], Any]) -> Any:
    """A call's answer, or that it failed: MLflow has many words for a caller's mistake, raw ones of Python among them."""
    try:
        return call()
    except MlflowException as error:
        return Refused(str(error.args[0]).strip(), error.error_code)
    except Exception as error:
        return Refused(f"{type(error).__name__}: {error}")


def agree(door: str, ours: Any, theirs: Any) -> None:
    """Counts one comparison. Raises AssertionError where the two answers differ, with the places where they do."""
    MADE[door] += 1
    differences = list(_Comparison(_WITHIN[door]).differences(ours, theirs, "answer"))
    assert not differences, "\n".join(differences[:5])


def agree_in_words(door: str, ours: Any, theirs: Any) -> None:
    """As `agree`; a refusal must be MLflow's in code and words, of which the server may have left out the middle.

    Without a code it is a guard's own, and names what is at fault: see docs/exact.md.
    """
    agree(door, ours, theirs)
    match ours, theirs:
        case Refused(said, ""), Refused():
            assert said.startswith("inputs")
        case Refused(said, code), Refused(reason, expected):
            assert (code, said[:100]) == (expected, reason[:100])


@dataclass(frozen=True)
class _Comparison:
    within: float

    def differences(self, ours: Any, theirs: Any, path: str) -> Iterator[str]:
        match ours, theirs:
            case (Refused(), Refused()):
                return
            case (Body(), Body()):
                yield from self.differences(*map(_pieces, (ours.text, theirs.text)), path)
            case (dict(), dict()) if list(ours) == list(theirs):
                for key in ours:
                    yield from self.differences(ours[key], theirs[key], f"{path}[{key!r}]")
            case (list() | tuple(), list() | tuple()) if len(ours) == len(theirs):
                for index, pair in enumerate(zip(ours, theirs, strict=True)):
                    yield from self.differences(*pair, f"{path}[{index}]")
            case (np.ndarray(), np.ndarray()) if ours.shape == theirs.shape:
                if not np.allclose(ours, theirs, rtol=self.within, atol=self.within):
                    yield f"{path}: arrays differ by up to {abs(ours - theirs).max()}"
            case (float(), float()) if math.isclose(ours, theirs, rel_tol=self.within, abs_tol=self.within):
                return
            case _ if type(ours) is not type(theirs) or isinstance(ours, np.ndarray) or ours != theirs:
                yield f"{path}: {ours!r:.300} is not MLflow's {theirs!r:.300}"


_NUMBER = re.compile(r"(-?\d+(?:\.\d+(?:e[-+]?\d+)?|e-\d+))")
_OWN = re.compile(r'(?<="id": ")[^"]+|(?<="created": )\d+')
"""What MLflow makes anew for each answer of a language model."""


def _pieces(text: str) -> list[str | float]:
    """A text as what stands between real numbers, and these."""
    parts = _NUMBER.split(_OWN.sub("own", text))
    return [float(part) if index % 2 else part for index, part in enumerate(parts)]
