"""What the terminal shows: answers on stdout, all else on stderr, and nobody's text is ever read as markup."""

import io
import sys
from dataclasses import dataclass
from typing import NoReturn

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

# Where nobody watches, a table is as wide as what it holds.
_UNCUT = 1_000_000
_INPUT_WIDTH = 48

# An escape sequence in a model's text must not reach the terminal: control characters are shown as their pictures.
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
_CONTROLS = _PICTURES | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_IN_ONE_LINE = {ord("\n"): "↵", ord("\t"): " ⇥ "}


@dataclass(frozen=True)
class Screen:
    """Where answers go (`out`) and where what is said about them goes (`notes`)."""

    out: Console
    notes: Console

    def input_column(self, header: str) -> Column:
        """A column for inputs, which are cut to a line where somebody watches."""
        width = _INPUT_WIDTH if self.out.is_terminal else None
        return Column(header, no_wrap=True, overflow="ellipsis", max_width=width)

    def note(self, text: str, style: str = "dim") -> None:
        """A line about an answer."""
        self.notes.print(plain(text, style))


def open_screen() -> Screen:
    """The terminal, or what stands in its place: a file or a pipe gets no colours and whole lines."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    return Screen(_console(to_stderr=False), _console(to_stderr=True))


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with a message on stderr and this exit status."""
    _console(to_stderr=True).print(plain("savor: ", "bold red") + plain(message), soft_wrap=True)
    raise typer.Exit(code)


def plain(text: str, style: str = "") -> Text:
    """A text as it is: no markup, and control characters made visible."""
    return Text(safe(text), style)


def safe(text: str) -> str:
    """A text without what a terminal would obey."""
    return text.translate(_CONTROLS)


def line(text: str, style: str = "") -> Text:
    """A text in one line."""
    return Text(safe(text).translate(_IN_ONE_LINE), style)


def table(*columns: Column | str) -> Table:
    """An empty table in the one style of all."""
    return Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)


def seconds(value: float) -> str:
    """A duration in the unit that suits it."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def _console(*, to_stderr: bool) -> Console:
    console = Console(stderr=to_stderr, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNCUT
    return console
