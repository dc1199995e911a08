"""Batches as the server cuts them, and calls of which the tests say when they end."""

from collections.abc import Sequence
from dataclasses import dataclass

from savor.accel.backend import Backend, Batch
from savor.flavor.item import Item, Row


@dataclass
class Patience:
    """A watch that stays alive for a number of looks; None for ever."""

    looks: int | None = None

    def alive(self) -> bool:
        if self.looks is None:
            return True
        self.looks -= 1
        return self.looks >= 0


def batch(*items: Item) -> Batch:
    """A batch that everybody waits for."""
    return Batch(items, tuple(Patience() for _ in items))


def together(backend: Backend, items: Sequence[Item]) -> list[Row]:
    """The rows of items in as few batches as their `run` and `alike` allow, in the items' order."""
    rows: dict[int, Row] = {}
    for index, item in enumerate(items):
        if index in rows:
            continue
        mates = [place for place, other in enumerate(items) if (other.run, other.alike) == (item.run, item.alike)]
        rows.update(zip(mates, backend.run(batch(*(items[place] for place in mates))), strict=True))
    return [rows[index] for index in range(len(items))]


def alone(backend: Backend, items: Sequence[Item]) -> list[Row]:
    """The rows of items, each in a batch of its own."""
    return [backend.run(batch(item))[0] for item in items]
