"""What is being done, told while it lasts: one changing line where somebody watches, a line for each step elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console

from savor.server.cli.screen import Screen, plain


@contextlib.contextmanager
def telling(screen: Screen) -> Iterator[Callable[[str], None]]:
    """Something to tell each step to, in a few words."""
    if not screen.notes.is_terminal:
        yield screen.note
        return
    # Bound to stderr as it is now: who compiles silences what is printed meanwhile.
    console = Console(file=sys.stderr, highlight=False, emoji=False)
    with console.status("") as status:
        yield lambda step: status.update(plain(step, "dim"))
