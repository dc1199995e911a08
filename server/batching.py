"""The batching policy: which of the waiting items run together next. Pure: its clock is given, it holds no threads.

No timer. A batch is what gathered while the backend was busy, so an idle server answers at once. The oldest item is
always in the next batch, so nobody starves; others join it in order of how near their lengths are, because padding
costs as much as real tokens. Of the batches that grow so, within a budget of tokens, the one is taken that has the most
real tokens for its cost. Items whose caller has gone are dropped.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from savor.flavor.errors import Overloaded
from savor.flavor.item import Item


class Waiting(Protocol):
    """An item in the queue, with the call that it is part of."""

    @property
    def item(self) -> Item:
        """What is to run."""

    def alive(self) -> bool:
        """Whether somebody still waits for it."""


EntryT = TypeVar("EntryT", bound=Waiting)


@dataclass(frozen=True)
class Budget:
    """The bounds of a batch and of the queue.

    `batch_tokens`: items times the longest of them; one item alone may exceed it. `overhead_tokens`: what a batch costs
    beside its tokens, in tokens. `queue_items`: items that may wait.
    """

    batch_tokens: int = 256
    batch_items: int = 64
    overhead_tokens: int = 8
    queue_items: int = 4096


@dataclass(frozen=True)
class Cut(Generic[EntryT]):
    """A batch, and the entries that were dropped on the way to it."""

    batch: tuple[EntryT, ...]
    dropped: tuple[EntryT, ...]


_Lane = list[tuple[int, int, EntryT]]
"""Entries that may share a batch, as (length, order of arrival, entry), sorted."""


class Queue(Generic[EntryT]):
    """The waiting items of one model."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._arrived = 0
        self._waiting: dict[int, EntryT] = {}
        self._lanes: dict[object, _Lane[EntryT]] = {}
        self.tokens = 0
        """Those of the items that wait, theirs included whose caller has gone."""

    def __len__(self) -> int:
        return len(self._waiting)

    def holds_more(self, tokens: float) -> bool:
        """Whether the items that somebody waits for have more tokens than these."""
        # Who has gone is counted out only where that makes a difference.
        return self.tokens > tokens and tokens < sum(
            entry.item.length for entry in self._waiting.values() if entry.alive()
        )

    def put(self, entries: Sequence[EntryT], retry_after_s: float) -> None:
        """Takes all of a call's entries, or raises Overloaded and takes none.

        A call with more items than the whole queue holds is taken when nothing else waits.
        """
        if self._waiting and len(self._waiting) + len(entries) > self._budget.queue_items:
            sentence = f"{len(self._waiting)} items wait for this model, which is all that it takes: try again later"
            raise Overloaded(sentence, retry_after_s)
        for entry in entries:
            self._waiting[self._arrived] = entry
            insort(self._lane(entry.item), (entry.item.length, self._arrived, entry), key=_position)
            self.tokens += entry.item.length
            self._arrived += 1

    def cut(self) -> Cut[EntryT]:
        """The next batch, taken out of the queue; empty where nobody waits."""
        dropped: list[EntryT] = []
        for order, entry in list(self._waiting.items()):
            if entry.alive():
                return Cut(self._around(order, entry, dropped), tuple(dropped))
            dropped.append(self._remove(order))
        return Cut((), tuple(dropped))

    def _lane(self, item: Item) -> _Lane[EntryT]:
        return self._lanes.setdefault((item.run, item.alike), [])

    def _remove(self, order: int) -> EntryT:
        entry = self._waiting.pop(order)
        self.tokens -= entry.item.length
        lane = self._lane(entry.item)
        del lane[bisect_left(lane, (entry.item.length, order), key=_position)]
        if not lane:
            del self._lanes[entry.item.run, entry.item.alike]
        return entry

    def _around(self, order: int, seed: EntryT, dropped: list[EntryT]) -> tuple[EntryT, ...]:
        """The seed with its nearest neighbours in length that are alive and fit."""
        lane = self._lane(seed.item)
        dead = [place for _, place, entry in lane if place != order and not entry.alive()]
        dropped.extend(self._remove(place) for place in dead)
        at = bisect_left(lane, (seed.item.length, order), key=_position)
        first, last = _best_fit([length for length, _, _ in lane], at, self._budget)
        return tuple(self._remove(place) for _, place, _ in lane[first : last + 1])


def _position(row: tuple[int, int, object] | tuple[int, int]) -> tuple[int, int]:
    return row[0], row[1]


def _best_fit(lengths: Sequence[int], at: int, budget: Budget) -> tuple[int, int]:
    """The first and last index of the sorted `lengths` around `at` that have the most real tokens for their cost."""
    runs = _growing(lengths, at, budget)
    best = max(runs, key=lambda run: run.real / (budget.overhead_tokens + run.padded))
    return best.first, best.last


class _Run(NamedTuple):
    """Neighbours in length as a batch: `real` tokens, and `padded` with the padding."""

    first: int
    last: int
    real: int
    padded: int


def _growing(lengths: Sequence[int], at: int, budget: Budget) -> Iterator[_Run]:
    """The item at `at` alone, and with one more of those nearest in length at a time, as long as they fit."""
    first = last = at
    real = padded = lengths[at]
    while True:
        yield _Run(first, last, real, padded)
        if last - first + 1 == budget.batch_items:
            return
        for side in _nearer(lengths, first, last, lengths[at]):
            padded = lengths[max(side, last)] * (last - first + 2)
            if padded <= budget.batch_tokens:
                first, last, real = min(first, side), max(last, side), real + lengths[side]
                break
        else:
            return


def _nearer(lengths: Sequence[int], first: int, last: int, length: int) -> Iterable[int]:
    """The indexes beside a run, the one nearer in length first."""
    sides = [side for side in (first - 1, last + 1) if 0 <= side < len(lengths)]
    return sorted(sides, key=lambda side: abs(lengths[side] - length))
