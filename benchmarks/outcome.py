"""What a figure's measurement leaves: tables and charts for people, the numbers that bars are set for, and all else.

It is saved as JSON and read again, so that the page can be written anew without measuring.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Table:
    """A table: the first column is text, the others are numbers as they are to be read."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Chart:
    """Horizontal bars in groups: each group has a label and a value for every series, None where there is none."""

    title: str
    series: Sequence[str]
    groups: Sequence[tuple[str, Sequence[float | None]]]


@dataclass(frozen=True)
class Outcome:
    """What was found. `bars` are measured values by the names that `bars.BARS` has; `problems` are wrong answers."""

    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    bars: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    problems: Sequence[str] = ()
    raw: Any = None


@dataclass(frozen=True)
class Report:
    """An outcome with the command that made it and what it was made on. A quick one is a test, not a measurement."""

    figure: str
    command: str
    facts: Mapping[str, str]
    quick: bool
    outcome: Outcome

    def save(self, folder: Path) -> Path:
        """Writes everything as JSON into a folder; returns the file."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{self.figure}.json"
        file.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        return file


def read(figure: str, folder: Path) -> Report | None:
    """What `save` wrote for a figure; None where it was not measured."""
    file = folder / f"{figure}.json"
    if not file.is_file():
        return None
    kept = json.loads(file.read_text(encoding="utf-8"))
    found = kept.pop("outcome")
    tables = [Table(**table) for table in found.pop("tables")]
    charts = [Chart(**chart) for chart in found.pop("charts")]
    return Report(**kept, outcome=Outcome(tables=tables, charts=charts, **found))
