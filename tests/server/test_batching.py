"""The batching policy, as a pure function of what came when: no clock, no threads, no sleeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savor.flavor.errors import Overloaded
from savor.flavor.item import Forward, Generate, Item
from savor.server.batching import Budget, Cut, Queue

WIDE = Budget(batch_tokens=10_000, batch_items=1_000, overhead_tokens=100_000, queue_items=10_000)


@dataclass(eq=False)
class Entry:
    """An item that a caller waits for; `looks` is how often it is found alive, None for ever."""

    item: Item
    looks: int | None = None

    def alive(self) -> bool:
        if self.looks is None:
            return True
        self.looks -= 1
        return self.looks >= 0


def _entry(length: int, lane: str = "", alike: Any = None, looks: int | None = None) -> Entry:
    return Entry(Item({"input_ids": np.zeros(length)}, length, Forward((lane,)), alike), looks)


def _queue(entries: Sequence[Entry], budget: Budget = WIDE) -> Queue[Entry]:
    queue: Queue[Entry] = Queue(budget)
    queue.put(entries, 1.0)
    return queue


def _lengths(cut: Cut[Entry]) -> list[int]:
    return [entry.item.length for entry in cut.batch]


def _tokens(batch: Sequence[Entry]) -> int:
    return len(batch) * max(entry.item.length for entry in batch)


def _fits(batch: Sequence[Entry], budget: Budget) -> bool:
    return _tokens(batch) <= budget.batch_tokens and len(batch) <= budget.batch_items


def _worth(batch: Sequence[Entry], budget: Budget) -> float:
    """Real tokens for what the batch costs."""
    return sum(entry.item.length for entry in batch) / (budget.overhead_tokens + _tokens(batch))


_BUDGETS = st.builds(
    Budget,
    batch_tokens=st.integers(1, 60),
    batch_items=st.integers(1, 6),
    overhead_tokens=st.sampled_from([0, 1, 10, 100_000]),
    queue_items=st.just(10_000),
)
_ENTRIES = st.lists(
    st.builds(
        _entry,
        st.integers(1, 20),
        st.sampled_from(["", "other"]),
        st.sampled_from([None, 1]),
        st.sampled_from([None, None, None, 0]),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(_BUDGETS, st.lists(_ENTRIES, min_size=1, max_size=4))
def test_the_rules_of_every_cut(budget: Budget, arrivals: list[list[Entry]]) -> None:
    """Between arrivals one batch is cut, at the end all that is left."""
    queue: Queue[Entry] = Queue(budget)
    waiting: list[Entry] = []
    arriving = iter(arrivals)
    while True:
        arrived = next(arriving, [])
        queue.put(arrived, 1.0)
        waiting += arrived
        if not waiting:
            break
        oldest = next((entry for entry in waiting if entry.looks is None), None)
        cut = queue.cut()
        assert all(entry.looks is None for entry in cut.batch), "whom nobody waits for does not run"
        assert all(entry.looks is not None for entry in cut.dropped), "whom somebody waits for is not dropped"
        assert len({(entry.item.run, entry.item.alike) for entry in cut.batch}) <= 1, "lanes never mix"
        assert oldest is None or oldest in cut.batch, "the oldest is always in the next batch"
        assert len(cut.batch) <= 1 or _fits(cut.batch, budget), "a batch of several is within its budget"
        assert not cut.batch or _worth(cut.batch, budget) >= _worth([oldest], budget), "nobody joins at a loss"
        taken = [*cut.batch, *cut.dropped]
        assert len(set(map(id, taken))) == len(taken)
        assert all(entry in waiting for entry in taken), "each is cut once"
        waiting = [entry for entry in waiting if entry not in taken]
        assert len(queue) == len(waiting)
    assert queue.cut() == Cut((), ())


@settings(deadline=None)
@given(_BUDGETS, _ENTRIES)
def test_a_batch_leaves_nobody_behind_who_was_next_and_would_have_been_worth_it(
    budget: Budget, entries: list[Entry]
) -> None:
    alive = [entry for entry in entries if entry.looks is None]
    batch = _queue(entries, budget).cut().batch
    if not batch:
        assert not alive
        return
    lane = (batch[0].item.run, batch[0].item.alike)
    left = [e for e in alive if (e.item.run, e.item.alike) == lane and e not in batch]
    lengths, oldest = [entry.item.length for entry in batch], alive[0].item.length
    shorter = max((e for e in left if e.item.length <= min(lengths)), key=lambda e: e.item.length, default=None)
    longer = min((e for e in left if e.item.length >= max(lengths)), key=lambda e: e.item.length, default=None)
    beside = sorted((e for e in (shorter, longer) if e), key=lambda e: abs(e.item.length - oldest))
    wider = next(([*batch, entry] for entry in beside if _fits([*batch, entry], budget)), None)
    assert wider is None or _worth(wider, budget) <= _worth(batch, budget)


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=20), st.data())
def test_a_call_that_ends_in_the_middle_of_a_cut_does_no_harm(lengths: list[int], data: st.DataObject) -> None:
    """Time goes on while a batch is cut: who was alive at the first look may not be at the second."""
    entries = [_entry(length, looks=data.draw(st.sampled_from([None, 0, 1, 2]))) for length in lengths]
    queue = _queue(entries)
    taken = []
    while len(queue):
        cut = queue.cut()
        taken += [*cut.batch, *cut.dropped]
        assert cut.batch or cut.dropped
    assert sorted(map(id, taken)) == sorted(map(id, entries))


def test_the_oldest_that_ends_in_the_middle_of_a_cut() -> None:
    queue = _queue([_entry(5, looks=1)])
    cut = queue.cut()
    assert len(cut.batch) + len(cut.dropped) == 1
    queue.put([_entry(6)], 1.0)
    assert _lengths(queue.cut()) == [6]


def test_everything_that_gathered_goes_together() -> None:
    queue = _queue([_entry(5), _entry(6), _entry(5)])
    assert _lengths(queue.cut()) == [5, 5, 6]
    assert len(queue) == 0


def test_the_oldest_goes_first_whatever_its_length() -> None:
    queue = _queue([_entry(90), *[_entry(2) for _ in range(50)]], Budget(batch_tokens=100))
    assert _lengths(queue.cut()) == [90]
    assert _lengths(queue.cut()) == [2] * 50


def test_nobody_starves_though_others_keep_coming() -> None:
    queue = _queue([_entry(1), _entry(90)], Budget(batch_tokens=100, overhead_tokens=0))
    for _ in range(2):
        queue.put([_entry(1)] * 5, 1.0)
        if 90 in (lengths := _lengths(queue.cut())):
            assert lengths == [90]
            return
    pytest.fail("the long one still waits")


def test_those_nearest_in_length_join_first() -> None:
    queue = _queue(
        [_entry(10), _entry(4), _entry(12), _entry(30), _entry(11)], Budget(batch_items=3, overhead_tokens=1000)
    )
    assert _lengths(queue.cut()) == [10, 11, 12]
    assert _lengths(queue.cut()) == [4, 30]


def test_padding_counts_as_tokens() -> None:
    queue = _queue([_entry(10), _entry(1), _entry(1)], Budget(batch_tokens=20, overhead_tokens=1000))
    assert _lengths(queue.cut()) == [1, 10]


OVERHEADS = [
    # 10 / (0 + 10) is more than (10 + 8) / (0 + 20): padding is all loss where a batch costs nothing of its own.
    pytest.param(0, [10], id="none"),
    # 18 / (10 + 20) = 0.60 is more than 10 / (10 + 10) = 0.50, and than 23 / (10 + 30) = 0.57.
    pytest.param(10, [8, 10], id="some"),
    pytest.param(1000, [5, 8, 10], id="much"),
]


@pytest.mark.parametrize(("overhead", "lengths"), OVERHEADS)
def test_padding_is_worth_what_another_batch_would_cost(overhead: int, lengths: list[int]) -> None:
    queue = _queue([_entry(10), _entry(8), _entry(5)], Budget(overhead_tokens=overhead))
    assert _lengths(queue.cut()) == lengths


def test_a_loss_is_no_reason_to_stop_looking() -> None:
    """The nearest in length is a loss beside the oldest alone, and none in the batch that comes of looking further."""
    queue = _queue(
        [_entry(20), _entry(15), *[_entry(27) for _ in range(9)]], Budget(batch_tokens=500, overhead_tokens=5)
    )
    assert 35 / (5 + 40) < 20 / (5 + 20) < (35 + 9 * 27) / (5 + 11 * 27)
    assert _lengths(queue.cut()) == [15, 20, *[27] * 9]


def test_one_item_alone_may_exceed_the_budget() -> None:
    queue = _queue([_entry(1_000), _entry(1_000)], Budget(batch_tokens=10))
    assert [_lengths(queue.cut()), _lengths(queue.cut())] == [[1_000], [1_000]]


def test_equal_lengths_go_in_the_order_of_arrival() -> None:
    entries = [_entry(5) for _ in range(6)]
    queue = _queue(entries, Budget(batch_items=2))
    first, *_ = (queue.cut().batch for _ in range(3))
    assert entries[0] in first


def test_runs_of_other_kinds_never_mix() -> None:
    items = [
        Item({}, 1, run) for run in (Forward(("a",)), Generate("a", {}), Generate("a", {}, seed=1), Forward(("a",)))
    ]
    queue = _queue([Entry(item) for item in items])
    assert [len(queue.cut().batch) for _ in range(3)] == [2, 1, 1]


def test_an_empty_queue_gives_an_empty_batch() -> None:
    assert Queue[Entry](WIDE).cut() == Cut((), ())


def test_who_has_gone_is_dropped_from_the_lane_that_is_cut() -> None:
    gone, stays = _entry(5, looks=0), _entry(5)
    cut = _queue([stays, gone]).cut()
    assert (cut.batch, cut.dropped) == ((stays,), (gone,))


def test_beyond_the_bound_a_call_is_refused_whole() -> None:
    queue = _queue([_entry(1)] * 3, Budget(queue_items=4))
    with pytest.raises(Overloaded) as caught:
        queue.put([_entry(1), _entry(1)], 2.5)
    assert caught.value.retry_after_s == 2.5
    assert "3 items wait" in str(caught.value)
    assert len(queue) == 3
    queue.put([_entry(1)], 1.0)
    assert len(queue) == 4


def test_a_refused_call_leaves_no_trace() -> None:
    queue = _queue([_entry(1)], Budget(queue_items=1))
    with pytest.raises(Overloaded):
        queue.put([_entry(7), _entry(7)], 1.0)
    assert _lengths(queue.cut()) == [1]
    assert queue.cut() == Cut((), ())


def test_a_call_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    queue = _queue([_entry(1)] * 9, Budget(queue_items=4))
    assert len(queue) == 9


def test_there_is_room_again_after_a_cut() -> None:
    queue = _queue([_entry(1)] * 4, Budget(queue_items=4))
    queue.cut()
    queue.put([_entry(1)] * 4, 1.0)
    assert len(queue) == 4


def test_items_that_are_like_no_other_run_alone() -> None:
    queue = _queue([_entry(1, alike=object()) for _ in range(300)])
    assert [len(queue.cut().batch) for _ in range(300)] == [1] * 300
    assert len(queue) == 0
