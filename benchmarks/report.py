"""The outcome for people and for programs: a table in the terminal, a file of JSON, a section of a page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from benchmarks.comparison import Result, Row

_HEADERS = ("texts/s · ms of a call", "Savor", "mlflow", "ratio", "of repeats", "Savor p50 / p99", "mlflow p50 / p99")


@dataclass(frozen=True)
class Report:
    """One comparison: the command that made it, what it was made on, the rows, and each measurement behind them."""

    command: str
    facts: Mapping[str, str]
    rows: Sequence[Row]
    results: Sequence[Result]

    def table(self) -> Table:
        """For the terminal."""
        table = Table(*_HEADERS, caption=_lines(self.facts), caption_justify="left")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in self.rows:
            table.add_row(*_cells(row), style="bold" if row.ratio >= 1 else "bold red")
        return table

    def markdown(self) -> str:
        """For a page: the command, the facts and the table."""
        facts = "\n".join(f"- {name}: {value}" for name, value in self.facts.items())
        lines = [_line(_HEADERS), _line(["---", *["---:"] * (len(_HEADERS) - 1)])]
        table = "\n".join(lines + [_line(_cells(row)) for row in self.rows])
        return f"```console\n{self.command}\n```\n\n{facts}\n\n{table}"

    def save(self, folder: Path) -> Path:
        """Writes everything, each latency included, as JSON into a folder; returns the file."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "command": self.command,
            "facts": dict(self.facts),
            "rows": [asdict(row) for row in self.rows],
            "results": [asdict(result) for result in self.results],
        }
        file = folder / "versus_mlflow.json"
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return file


def _cells(row: Row) -> list[str]:
    ratios = [f"{row.ratio:.2f}", f"{row.lowest:.2f} to {row.highest:.2f}"]
    throughputs = [f"{figures.texts_per_s:.0f}" for figures in (row.savor, row.peer)]
    latencies = [f"{figures.p50_s * 1000:.0f} / {figures.p99_s * 1000:.0f}" for figures in (row.savor, row.peer)]
    return [str(row.scenario), *throughputs, *ratios, *latencies]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _lines(facts: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in facts.items())
