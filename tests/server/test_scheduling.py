"""Threads that answer calls do not interrupt those that run models; who starts a thread decides for it."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from savor.server.scheduling import compute, give_way

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="the system has no SCHED_BATCH")


def _policy_after(*changes: Callable[[], None]) -> int:
    """The policy of a thread that a thread starts which has made these changes."""

    def started() -> int:
        for change in changes:
            change()
        with ThreadPoolExecutor(1) as inner:
            return inner.submit(os.sched_getscheduler, 0).result()

    with ThreadPoolExecutor(1) as outer:
        return outer.submit(started).result()


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        ((), "SCHED_OTHER"),
        ((give_way,), "SCHED_BATCH"),
        ((give_way, compute), "SCHED_OTHER"),
        ((compute,), "SCHED_OTHER"),
        ((compute, give_way), "SCHED_BATCH"),
    ],
)
def test_the_last_word_counts_for_threads_started_later(changes: Sequence[Callable[[], None]], policy: str) -> None:
    assert _policy_after(*changes) == getattr(os, policy)


def test_what_the_operator_has_chosen_stays() -> None:
    def idle() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    assert _policy_after(idle, give_way) == os.SCHED_IDLE
    assert _policy_after(idle, compute) == os.SCHED_IDLE


def test_a_system_that_forbids_it_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbidden)
    assert _policy_after(give_way) == os.SCHED_OTHER
