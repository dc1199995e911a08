"""A bar chart as SVG, drawn here so that it needs no plotting library; legible on light and dark."""

from collections.abc import Iterator
from html import escape

from benchmarks.outcome import Chart

_WIDTH, _LEFT, _RIGHT = 760, 270, 70
_BAR, _GAP, _TOP, _BOTTOM = 16, 14, 66, 14
_COLOURS, _TEXT, _PAPER = ("#0f766e", "#d97706", "#6b7280", "#4f46e5"), "#1f2937", "#ffffff"


def draw(chart: Chart) -> str:
    """The chart, a bar for each value."""
    height = _TOP + len(chart.groups) * _tall(chart) + _BOTTOM
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    style = 'font-family="system-ui, sans-serif" font-size="13"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style} role="img">'
    paper = f'<rect width="100%" height="100%" rx="8" fill="{_PAPER}"/>'
    title = f"<title>{escape(chart.title)}</title>"
    return "\n".join([head, title, paper, *_legend(chart), *_bars(chart), "</svg>\n"])


def _tall(chart: Chart) -> int:
    return len(chart.series) * _BAR + _GAP


def _legend(chart: Chart) -> Iterator[str]:
    yield _text(16, 26, chart.title, weight="600")
    x = 16
    for name, colour in zip(chart.series, _COLOURS, strict=False):
        yield f'<rect x="{x}" y="38" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, 49, name)
        x += 40 + 7 * len(name)


def _bars(chart: Chart) -> Iterator[str]:
    longest = max((value for _, values in chart.groups for value in values if value is not None), default=0) or 1
    for index, (label, values) in enumerate(chart.groups):
        y = _TOP + index * _tall(chart) + _GAP // 2
        yield _text(_LEFT - 10, y + len(values) * _BAR / 2 + 4, label, anchor="end")
        for place, (value, colour) in enumerate(zip(values, _COLOURS, strict=False)):
            if value is not None:
                width = round((_WIDTH - _LEFT - _RIGHT) * value / longest, 1)
                top = y + place * _BAR
                yield f'<rect x="{_LEFT}" y="{top}" width="{width}" height="{_BAR - 2}" fill="{colour}"/>'
                yield _text(_LEFT + width + 6, top + 12, f"{value:.3g}")


def _text(x: float, y: float, words: str, anchor: str = "start", weight: str = "400") -> str:
    return f'<text x="{x}" y="{y}" fill="{_TEXT}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
