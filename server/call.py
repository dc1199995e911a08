"""One RPC from its arrival to its answer: whether anybody still waits for it, and where its time goes."""

import time


class Call:
    """A call with a deadline. `alive` is read by the backend's thread too."""

    def __init__(self, timeout_s: float) -> None:
        self.admitted_s = time.perf_counter()
        self.deadline_s = self.admitted_s + timeout_s
        self._gone = False

    def alive(self) -> bool:
        """False once the caller has gone or its time is over."""
        return not self._gone and time.perf_counter() < self.deadline_s

    def leave(self) -> None:
        """Notes that nobody waits for the answer any more, because it was given or because the caller has gone."""
        self._gone = True
