"""The section of a page that is written by the benchmark; what people wrote around its markers stays as it is."""

from pathlib import Path

BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"


class MarkersMissing(ValueError):
    """A page without one pair of markers. The text says which page."""


def rewrite(page: Path, section: str) -> None:
    """Puts a section between the markers of a page. Raises MarkersMissing, and changes nothing, where they are not."""
    page.write_text(replaced(page.read_text(encoding="utf-8"), section, str(page)), encoding="utf-8")


def check(page: Path) -> None:
    """Raises MarkersMissing where `rewrite` would."""
    replaced(page.read_text(encoding="utf-8"), "", str(page))


def replaced(text: str, section: str, name: str) -> str:
    """The text with the section between its markers. `name` is what an error calls it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkersMissing(f"{name} needs a line {BEGIN} and, below it, a line {END}")
    return f"{before}{begin}\n\n{section}\n\n{end}{after}"
