"""What runs a model: one small protocol over one batch type. Batches go in, rows come out, in the same order."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from savor.accel.report import Report
from savor.flavor.item import Generate, Item, Row, Run


class Watch(Protocol):
    """Whether anybody still waits for an item. Read between the steps of a generation, from the backend's thread."""

    def alive(self) -> bool:
        """False once the item's caller has gone or its time is over."""


@dataclass(frozen=True)
class Batch:
    """Items that run together: their `run` and `alike` are equal. `watches` has one entry for each item."""

    items: tuple[Item, ...]
    watches: tuple[Watch, ...]

    @property
    def run(self) -> Run:
        """How all of the items are to be run."""
        return self.items[0].run

    @property
    def generates(self) -> bool:
        """Whether the batch takes many steps, whose sequences can be watched as they grow."""
        return isinstance(self.run, Generate)


def unwatched(items: Sequence[Item]) -> Batch:
    """A batch of items that nobody leaves."""
    return Batch(tuple(items), (_Everybody(),) * len(items))


class _Everybody:
    """A watch of items that nobody leaves."""

    def alive(self) -> bool:
        return True


@dataclass(frozen=True)
class BackendInfo:
    """How a model is executed, as callers are told."""

    name: str
    """`eager`, `compile` or `onnx`."""
    device: str
    precision: str
    """The short name of a `Precision`."""
    threads: int = 1
    """The CPU threads that a batch takes."""
    provider: str = ""
    """ONNX Runtime's execution provider; empty for torch."""
    not_compiled_reason: str = ""
    report: Report | None = None
    """What the verification found of a compiled model."""


class RefusedOptions(ValueError):
    """The model refused the options of a run. The text is transformers' own, written for whoever chose the options."""


class Backend(Protocol):
    """Runs one model. Not thread-safe: one thread calls it, for the whole of its life."""

    info: BackendInfo

    def run(self, batch: Batch) -> Sequence[Row]:
        """A row for each item. Raises RefusedOptions, or whatever the model raises."""

    def stream(self, batch: Batch) -> Generator[Sequence[Row]]:
        """A row for each item after every step of a generation, with `done` of shape (sequences,); at last `run`'s."""

    def close(self) -> None:
        """Frees the model. Nothing may be called afterwards."""
