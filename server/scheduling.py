"""Which threads go on where a CPU has work for several: those that run models.

Linux lets a thread that wakes interrupt the one that runs. Each call would do so to the model several times, and cost
it its caches. Threads of the policy SCHED_BATCH do not (sched(7)): they run when the model's thread waits or its
slice of time is over, after some milliseconds, and find the work of several calls. On an idle CPU they run at once,
as all do.
"""

import contextlib
import os


def give_way() -> None:
    """Keeps this thread, and those that it will start, from interrupting others."""
    _change("SCHED_OTHER", "SCHED_BATCH")


def compute() -> None:
    """Takes that back, for this thread and those that it will start: they run models."""
    _change("SCHED_BATCH", "SCHED_OTHER")


def _change(before: str, after: str) -> None:
    """Changes this thread's policy, where the system has both and the operator has not chosen another."""
    if hasattr(os, "SCHED_BATCH") and os.sched_getscheduler(0) == getattr(os, before):
        # Containers may forbid it: then it is as it always was.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, getattr(os, after), os.sched_param(0))
