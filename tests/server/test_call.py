"""A call: alive until its caller leaves or its time is over."""

import math

import pytest

from savor.server.call import Call


def test_a_call_is_alive_until_its_caller_leaves() -> None:
    call = Call(60.0)
    assert call.alive()
    call.leave()
    assert not call.alive()


@pytest.mark.parametrize("timeout_s", [0.0, -1.0], ids=str)
def test_a_call_whose_time_is_over(timeout_s: float) -> None:
    assert not Call(timeout_s).alive()


def test_a_call_without_end() -> None:
    assert Call(math.inf).alive()


def test_the_deadline_is_counted_from_the_arrival() -> None:
    call = Call(5.0)
    assert call.deadline_s - call.admitted_s == pytest.approx(5.0)
