"""The sections of a page that are written by the benchmarks; what people wrote around their markers stays as it is."""

from pathlib import Path


class MarkersMissing(ValueError):
    """A page without one pair of markers. The text says which page, and which markers."""


def rewrite(page: Path, name: str, section: str) -> None:
    """Puts a section between its markers. Raises MarkersMissing, and changes nothing, where they are not there."""
    text = page.read_text(encoding="utf-8")
    page.write_text(replaced(text, name, section, str(page)), encoding="utf-8")


def replaced(text: str, name: str, section: str, page: str) -> str:
    """The text with the section between the markers of its name. `page` is what an error calls the text."""
    opening, closing = markers(name)
    before, begin, rest = text.partition(opening)
    _, end, after = rest.partition(closing)
    if not begin or not end:
        raise MarkersMissing(f"{page} needs a line {opening} and, below it, a line {closing}")
    return f"{before}{begin}\n\n{section}\n\n{end}{after}"


def markers(name: str) -> tuple[str, str]:
    """The lines between which the section of a name stands."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
