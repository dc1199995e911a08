"""What was measured, for people: tables in the terminal, and the page with its charts."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as ScreenTable

from benchmarks import chart, page
from benchmarks.figures import bars
from benchmarks.outcome import Report, Table

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BARS = "bars"


class QuickResult(ValueError):
    """A result that is a test's: it has no place on the page."""


def show(report: Report, console: Console) -> None:
    """Prints an outcome."""
    for table in report.outcome.tables:
        console.print(screen(table))
    for note in report.outcome.notes:
        console.print(note, highlight=False, markup=False)


def screen(table: Table) -> ScreenTable:
    """The table for a terminal."""
    shown = ScreenTable(*table.headers)
    for column in shown.columns[1:]:
        column.justify = "right"
    for row in table.rows:
        shown.add_row(*(cell.replace("**", "") for cell in row))
    return shown


def publish(reports: Sequence[Report], titles: Mapping[str, str], path: Path = PAGE) -> Iterable[Path]:
    """Writes the section of every report, its charts beside the page, and that of the bars; gives what was written.

    Raises QuickResult or MarkersMissing.
    """
    for report in reports:
        if report.quick:
            raise QuickResult(f"{report.figure} was measured with --quick, as a test: measure it again without")
    written = [path]
    for report in reports:
        images = _charts(report, path)
        page.rewrite(path, report.figure, section(report, titles[report.figure], [file.name for file in images]))
        written += images
    page.rewrite(path, BARS, markdown(bars_of(reports)))
    return written


def bars_of(reports: Sequence[Report]) -> Table:
    """Every bar with what the reports have of it."""
    return bars.table({report.figure: report.outcome.bars for report in reports})


def _charts(report: Report, path: Path) -> list[Path]:
    files = [path.with_name(f"{path.stem}-{report.figure}.svg") for _ in report.outcome.charts[:1]]
    for file, drawn in zip(files, report.outcome.charts, strict=True):
        file.write_text(chart.draw(drawn), encoding="utf-8")
    return files


def section(report: Report, title: str, images: Sequence[str]) -> str:
    """A figure's part of the page: chart, tables, notes, and what the figures were taken on."""
    found = report.outcome
    pictures = [f"![{title}]({image})" for image in images]
    tables = [markdown(table) for table in found.tables]
    notes = "\n".join(f"- {note}" for note in found.notes)
    facts = "; ".join(f"{name}: {value}" for name, value in report.facts.items())
    parts = [*pictures, *tables, notes, f"```console\n{report.command}\n```", facts]
    return "\n\n".join(part for part in parts if part)


def markdown(table: Table) -> str:
    """The table for a page."""
    ruler = ["---", *["---:"] * (len(table.headers) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (table.headers, ruler, *table.rows))
