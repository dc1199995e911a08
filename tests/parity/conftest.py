"""What the doors' tests share: one quiet machine, a client for each door's models, and the count of comparisons."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
import torch

from savor.client import Client, connect
from tests.parity import models
from tests.parity.agreement import MADE
from tests.serving import Serving

# Models this small gain nothing from threads, and lose much where others use the same cores.
torch.set_num_threads(1)
# MLflow warns at every prediction that parameters override what was saved.
logging.getLogger("mlflow").setLevel(logging.ERROR)

_LEAST = 2_000
"""Comparisons of a full run."""

_FULL = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def client_of(serving: Callable[..., Serving]) -> Iterator[Callable[[str], Client]]:
    """A client of a server with all variants of a door's models, started at the first asking."""
    with ExitStack() as stack:

        @cache
        def client(door: str) -> Client:
            folders = [str(models.saved(variant)) for variant in models.VARIANTS if variant.door == door]
            return stack.enter_context(connect(serving(*folders).target))

        yield client


_DOORS = frozenset(Path(__file__).with_name(f"test_{door}_door.py") for door in ("typed", "exact"))


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if item.path in _DOORS:
            item.config.stash[_FULL] = False


def pytest_collection_finish(session: pytest.Session) -> None:
    chosen = any("::" in argument for argument in session.config.args)
    whole = not chosen and {item.path for item in session.items} >= _DOORS
    session.config.stash.setdefault(_FULL, whole)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if exitstatus == pytest.ExitCode.OK and session.config.stash.get(_FULL, False) and MADE.total() < _LEAST:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not MADE:
        return
    shares = ", ".join(f"{count:,} {door}" for door, count in sorted(MADE.items()))
    terminalreporter.write_line(f"parity: {MADE.total():,} comparisons with mlflow.pyfunc ({shares})")
    if terminalreporter.config.stash.get(_FULL, False) and MADE.total() < _LEAST:
        terminalreporter.write_line(f"parity: too few; a full run makes {_LEAST:,} or more", red=True)
