import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from benchmarks import chart, machine, outcome, page, publication
from benchmarks.figures import FIGURES
from benchmarks.outcome import Chart, Outcome, Report, Table
from benchmarks.page import MarkersMissing
from benchmarks.publication import PAGE, QuickResult

CHART = Chart("A <title>", ("fp32", "int8"), [("1 caller", [0.5, 1.0]), ("8 callers", [0.25, None])])
REPORT = Report(
    "limit",
    "python -m benchmarks limit",
    {"processor": "a fast one"},
    False,
    Outcome([Table(("callers", "share"), [("1 caller", "**0.50**")])], [CHART], {"limit": 0.5}, ["A note."], (), [1.5]),
)
TITLES = {"limit": "Against the limit"}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A page with the markers that a report of the limit needs."""
    file = tmp_path / "performance.md"
    sections = ["\n".join(page.markers(name)) for name in ("limit", "bars")]
    file.write_text("\n".join(["before", *sections, "after"]))
    return file


def test_a_report_is_read_as_it_was_saved(tmp_path: Path) -> None:
    REPORT.save(tmp_path)
    again = outcome.read("limit", tmp_path)
    assert again is not None
    assert again.outcome.bars == REPORT.outcome.bars
    assert publication.section(again, "A", []) == publication.section(REPORT, "A", [])
    assert chart.draw(again.outcome.charts[0]) == chart.draw(CHART)


def test_a_figure_that_was_not_measured_has_no_report(tmp_path: Path) -> None:
    assert outcome.read("limit", tmp_path) is None


def test_the_page_gets_table_chart_note_command_and_facts(written: Path) -> None:
    image = written.with_name("performance-limit.svg")
    assert publication.publish([REPORT], TITLES, written) == [written, image]
    text = written.read_text()
    for part in ("| 1 caller | **0.50** |", f"({image.name})", "- A note.", REPORT.command, "processor: a fast one"):
        assert part in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter")
    assert image.is_file()


def test_the_bars_are_on_the_page(written: Path) -> None:
    publication.publish([REPORT], TITLES, written)
    assert "| 0.50 | ≥ 0.9 | **no** |" in written.read_text()


def test_a_quick_result_is_not_published(written: Path) -> None:
    before = written.read_text()
    with pytest.raises(QuickResult, match="limit"):
        publication.publish([replace(REPORT, quick=True)], TITLES, written)
    assert written.read_text() == before


def test_the_terminal_shows_tables_and_notes() -> None:
    screen = io.StringIO()
    publication.show(REPORT, Console(file=screen, width=80))
    assert all(words in screen.getvalue() for words in ("1 caller", "0.50", "A note."))


def test_the_chart_is_xml_with_bars_in_proportion() -> None:
    drawn = ElementTree.fromstring(chart.draw(CHART))
    bars = [
        float(bar.attrib["width"])
        for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")
        if bar.attrib.get("height") == "14"
    ]
    assert bars == pytest.approx([bars[1] / 2, bars[1], bars[1] / 4], abs=0.1)


def test_only_what_stands_between_the_markers_changes(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    begin, end = page.markers("idle")
    file.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    page.rewrite(file, "idle", "new")
    assert file.read_text() == f"before\n{begin}\n\nnew\n\n{end}\nafter\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("nothing", id="no marker"),
        pytest.param(page.markers("idle")[0], id="no end"),
        pytest.param("\n".join(reversed(page.markers("idle"))), id="the wrong way round"),
        pytest.param("\n".join(page.markers("limit")), id="another section's"),
    ],
)
def test_a_page_without_markers_stays_as_it_is(text: str, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(text)
    with pytest.raises(MarkersMissing, match=r"page\.md"):
        page.rewrite(file, "idle", "new")
    assert file.read_text() == text


@pytest.mark.parametrize("name", [*(figure.name for figure in FIGURES), publication.BARS])
def test_the_page_in_the_docs_has_a_place_for_every_section(name: str) -> None:
    page.replaced(PAGE.read_text(encoding="utf-8"), name, "", "the page")


def test_the_machine_names_processor_and_versions() -> None:
    facts = machine.describe()
    assert facts["processor"]
    assert "mlflow " in facts["versions"]
