"""What a verification found of a compiled model: how far it is from the eager one, and whether it may serve.

Differences are shares of the largest number that the eager model gave; decisions are labels of scores, and greedily
generated tokens up to the first other one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from savor.accel.precision import Tolerance


@dataclass(frozen=True)
class Comparison:
    """One batch that both ran. `agreement` is the share of equal decisions, 0 to 1."""

    name: str
    largest_difference: float
    mean_difference: float
    agreement: float


@dataclass(frozen=True)
class Report:
    """All that was compared, with what was allowed."""

    precision: str
    tolerance: Tolerance
    probes: tuple[Comparison, ...]

    @property
    def largest_difference(self) -> float:
        """The largest of all."""
        return max((each.largest_difference for each in self.probes), default=0.0)

    @property
    def mean_difference(self) -> float:
        """The mean of the probes'."""
        return float(np.mean([each.mean_difference for each in self.probes])) if self.probes else 0.0

    @property
    def agreement(self) -> float:
        """The mean of the probes'."""
        return float(np.mean([each.agreement for each in self.probes])) if self.probes else 1.0

    @property
    def passed(self) -> bool:
        """Whether the compiled model may serve; one that nothing was compared of may not."""
        within = self.largest_difference <= self.tolerance.difference and self.agreement >= self.tolerance.agreement
        return within and bool(self.probes)

    def __str__(self) -> str:
        return (
            f"largest difference {self.largest_difference:.2g} (allowed: {self.tolerance.difference:g}), "
            f"{self.agreement:.1%} of decisions equal (asked: {self.tolerance.agreement:.0%}), "
            f"over {len(self.probes)} probes"
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it, with what follows from its probes."""
        follows = ("largest_difference", "mean_difference", "agreement", "passed")
        return asdict(self) | {name: getattr(self, name) for name in follows}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Report":
        """A report that `to_dict` gave. Raises KeyError or TypeError for other mappings."""
        probes = tuple(Comparison(**each) for each in given["probes"])
        return cls(given["precision"], Tolerance(**given["tolerance"]), probes)
