"""Waiting until every model answers: how long to go on looking, and what was seen last; it never sleeps itself."""

import time
from collections.abc import Iterator

from savor.client.errors import DeadlineExceeded, Overloaded, SavorError, Status, Unavailable
from savor.client.models import ListModelsReply, ModelState

PAUSE_S = 0.1


class Readiness:
    """One wait of at most `timeout_s` seconds."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._ends_at = time.monotonic() + timeout_s
        self._seen = "no answer"

    def looks(self) -> Iterator[float]:
        """The seconds left at each look. Raises DeadlineExceeded, saying what was seen last, when none are."""
        while (left_s := self._ends_at - time.monotonic()) > 0:
            yield left_s
        message = f"not ready within {self._timeout_s:g} s: {self._seen}"
        raise DeadlineExceeded(Status("DEADLINE_EXCEEDED", message))

    def reached(self, seen: ListModelsReply | SavorError) -> bool:
        """Whether every model is ready. Raises an error that waiting does not mend."""
        if isinstance(seen, Unavailable | Overloaded | DeadlineExceeded):
            self._seen = str(seen)
            return False
        if isinstance(seen, SavorError):
            raise seen
        loading = [model.name for model in seen.models if model.state is not ModelState.READY]
        self._seen = f"loading {', '.join(loading)}"
        return not loading
