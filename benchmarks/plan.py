"""How everything is measured: for how long, how often, on which cores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import Cores


@dataclass(frozen=True)
class Pace:
    """Seconds of load before the measurement, and seconds of the measurement."""

    warm_up_s: float
    duration_s: float


QUICK = Pace(warm_up_s=0.2, duration_s=0.6)


@dataclass(frozen=True)
class Plan:
    """What all figures share. `repeats` are the runs of which the median counts, `seed` fixes the order of the texts.

    `said` is told what is being done; `scratch` is an empty folder that goes afterwards.
    """

    pace: Pace
    repeats: int
    seed: int
    cores: Cores
    quick: bool
    scratch: Path
    said: Callable[[str], None]

    def arguments(self) -> str:
        """The options that make this plan again."""
        if self.quick:
            return "--quick"
        pinned = "" if self.cores.load else " --no-pin"
        pace = f"--duration {self.pace.duration_s:g} --warm-up {self.pace.warm_up_s:g}"
        return f"{pace} --repeats {self.repeats} --seed {self.seed} --threads {self.cores.threads}{pinned}"
