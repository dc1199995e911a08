"""What every reply tells: frozen dataclasses with the field names of the messages, and tuples for lists.

A family's reply has one result for each input, in input order, and tells where the time went, what the caller should
know (`warnings`) and which version of the model answered.
"""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Where the time of one call went, in seconds of wall clock."""

    queue_s: float = 0.0
    prepare_s: float = 0.0
    run_s: float = 0.0
    decode_s: float = 0.0


@dataclass(frozen=True)
class ScoredLabel:
    """A label with its score: a probability in [0, 1], or the bare logit where no function is applied."""

    label: str
    score: float


@dataclass(frozen=True)
class FamilyReply:
    """What the replies of all families have; each says itself what its results are."""

    results: tuple[Any, ...]
    timing: Timing
    warnings: tuple[str, ...]
    model_version: str


@dataclass(frozen=True)
class PredictReply:
    """What MLflow's scoring server would answer: `json` is the text, `body` what it says."""

    json: str
    timing: Timing
    warnings: tuple[str, ...]
    model_version: str

    @property
    def body(self) -> Any:
        """The answer as Python values, mostly {"predictions": ...}."""
        return json.loads(self.json)
