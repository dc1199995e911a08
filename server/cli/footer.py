"""What follows every answer: where the time of the call went, which version answered, and the server's warnings."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

from savor.client import Timing
from savor.server.cli.screen import Screen, seconds

# A version may be a hash of 32 characters.
_VERSION_CHARS = 12


class Told(Protocol):
    """What every reply tells beside its results."""

    @property
    def timing(self) -> Timing | None:
        """Where the time went."""

    @property
    def warnings(self) -> Sequence[str]:
        """What the caller should know."""

    @property
    def model_version(self) -> str:
        """The version that answered."""


def show_footer(screen: Screen, reply: Told, wall_s: float) -> None:
    """The last lines of a call that took `wall_s` seconds here. The server's times may overlap."""
    times = dataclasses.asdict(reply.timing) if reply.timing else {}
    parts = [f"{name.removesuffix('_s')} {seconds(value)}" for name, value in times.items()]
    version = [f"version {_short(reply.model_version)}"] if reply.model_version else []
    screen.note(" · ".join([f"{seconds(wall_s)} in all", *parts, *version]))
    for warning in reply.warnings:
        screen.note(f"warning: {warning}", "yellow")


def _short(version: str) -> str:
    return version if len(version) <= _VERSION_CHARS else f"{version[: _VERSION_CHARS - 4]}…"
