import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from benchmarks import chart, machine, page
from benchmarks.page import BEGIN, END, MarkersMissing
from benchmarks.report import Report
from tests.benchmarks.measurements import MANY, measured, result, row

REPORT = Report(
    "python -m benchmarks.versus_mlflow",
    {"processor": "a fast one"},
    [row(200.0, 100.0), row(30.0, 60.0, MANY)],
    [result("ours", 0, measured(200.0, 0.01))],
)


def test_the_page_gets_command_facts_and_a_row_for_each_scenario() -> None:
    section = REPORT.markdown()
    assert "```console\npython -m benchmarks.versus_mlflow\n```" in section
    assert "- processor: a fast one" in section
    assert "| 1 caller | 200 | 100 | 2.00 | 1.50 to 2.50 | 10 / 20 | 10 / 20 |" in section
    assert "| 4 callers x 16 texts | 30 | 60 | 0.50 |" in section


def test_the_table_fits_a_pipe() -> None:
    console = Console(width=120, file=io.StringIO())
    console.print(REPORT.table())
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(words in printed for words in ("4 callers x 16 texts", "1.50 to 2.50", "a fast one"))


def test_the_file_holds_every_latency(tmp_path: Path) -> None:
    content = json.loads(REPORT.save(tmp_path / "results").read_text())
    assert content["results"][0]["measurement"]["latencies_s"] == [0.01]
    assert content["rows"][0]["ratio"] == 2.0


def test_the_chart_is_xml_with_bars_in_proportion() -> None:
    drawn = ElementTree.fromstring(chart.draw(REPORT.rows, "mlflow <models> serve"))
    bars = [
        float(bar.attrib["width"])
        for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")
        if bar.attrib.get("height") == "18"
    ]
    assert bars == pytest.approx([bars[0], bars[0] / 2, bars[0] * 0.15, bars[0] * 0.3], abs=0.1)


def test_only_what_stands_between_the_markers_changes(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    page.rewrite(file, "new")
    assert file.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("nothing", id="no marker"),
        pytest.param(BEGIN, id="no end"),
        pytest.param(f"{END}\n{BEGIN}", id="the wrong way round"),
    ],
)
def test_a_page_without_markers_stays_as_it_is(text: str, tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text(text)
    with pytest.raises(MarkersMissing, match=r"page\.md"):
        page.rewrite(file, "new")
    with pytest.raises(MarkersMissing, match=r"page\.md"):
        page.check(file)
    assert file.read_text() == text


def test_the_page_in_the_docs_has_its_markers() -> None:
    page.check(Path(__file__).parents[2] / "docs" / "performance.md")


def test_the_machine_names_processor_and_versions() -> None:
    facts = machine.describe()
    assert facts["processor"]
    assert "mlflow " in facts["versions"]
