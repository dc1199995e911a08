"""A bar chart of the comparison as SVG, drawn here so that it needs no plotting library; legible on light and dark."""

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.comparison import Row

_WIDTH, _LEFT, _RIGHT = 720, 150, 110
_BAR, _GAP, _TOP, _BOTTOM = 20, 22, 64, 16
_SAVOR, _PEER, _TEXT, _PAPER = "#0f766e", "#9ca3af", "#1f2937", "#ffffff"


def draw(rows: Sequence[Row], peer: str) -> str:
    """Texts per second of both servers, a pair of bars for each scenario."""
    height = _TOP + len(rows) * (2 * _BAR + _GAP) + _BOTTOM
    size = f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}"'
    style = 'font-family="system-ui, sans-serif" font-size="14"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style} role="img">'
    paper = f'<rect width="100%" height="100%" rx="8" fill="{_PAPER}"/>'
    title = f"<title>Texts per second: Savor and {escape(peer)}</title>"
    return "\n".join([head, title, paper, *_legend(peer), *_bars(rows), "</svg>\n"])


def _legend(peer: str) -> Iterator[str]:
    yield _text(_LEFT, 26, "Texts per second, higher is better", weight="600")
    for x, colour, name in ((_LEFT, _SAVOR, "Savor"), (_LEFT + 90, _PEER, peer)):
        yield f'<rect x="{x}" y="38" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, 49, name)


def _bars(rows: Sequence[Row]) -> Iterator[str]:
    fastest = max((figures.texts_per_s for row in rows for figures in (row.savor, row.peer)), default=0) or 1
    for index, row in enumerate(rows):
        y = _TOP + index * (2 * _BAR + _GAP) + _GAP // 2
        yield _text(_LEFT - 10, y + _BAR + 5, str(row.scenario), anchor="end")
        for offset, figures, colour in ((0, row.savor, _SAVOR), (_BAR, row.peer, _PEER)):
            width = round((_WIDTH - _LEFT - _RIGHT) * figures.texts_per_s / fastest, 1)
            yield f'<rect x="{_LEFT}" y="{y + offset}" width="{width}" height="{_BAR - 2}" fill="{colour}"/>'
            ratio = f" ({row.ratio:.1f}x)" if colour == _SAVOR else ""
            yield _text(_LEFT + width + 6, y + offset + 14, f"{figures.texts_per_s:.0f}{ratio}")


def _text(x: float, y: float, words: str, anchor: str = "start", weight: str = "400") -> str:
    return f'<text x="{x}" y="{y}" fill="{_TEXT}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
