"""What a pipeline family is: the tasks it serves and, for each of its RPCs, how a request becomes a response."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from savor.flavor.artifact import Artifact
from savor.flavor.item import Prepared
from savor.flavor.probe import Probe

Tasks = frozenset[str]


@dataclass(frozen=True)
class Method:
    """One RPC of a family. `name` is the RPC's; `request` and `response` are frozen dataclasses.

    `prepare` checks, templates and encodes a request. A method that streams sends a response for every step that moved
    one of its sequences on. `tasks` are those of the family's that it serves, None for all.
    """

    name: str
    request: type
    response: type
    prepare: Callable[[Any, Artifact], Prepared]
    streams: bool = False
    tasks: Tasks | None = None


class Session(Protocol):
    """One client's stream of input, as far as it has come. Used by one thread at a time."""

    def hear(self, piece: Any) -> None:
        """Takes the next message of the client's stream. Raises InvalidInput for one that can't be used."""

    def next(self, *, ended: bool) -> Prepared | None:
        """What is to be run now, whose answer is the next response; None while there is nothing to say.

        `ended` says that the client sends no more: then None means that all is said.
        """


@dataclass(frozen=True)
class Dialogue:
    """An RPC whose input arrives in pieces and is answered while it does.

    The request's field `config`, set in the first message alone, opens a session, which hears every further message.
    """

    name: str
    request: type
    response: type
    open: Callable[[Any, Artifact], Session]
    tasks: Tasks | None = None


Rpc = Method | Dialogue


class MakeProbe(Protocol):
    """What makes a probe a call of a family."""

    def __call__(self, artifact: Artifact, probe: Probe = ...) -> Prepared:
        """A call that takes the whole way of the family's own. Raises InvalidInput for a text the model can't read."""


@dataclass(frozen=True)
class Family:
    """A family of pipeline tasks that one gRPC service serves. Several may serve the same task."""

    name: str
    service: str
    """The name of the service in the package savor.v1."""
    tasks: Tasks
    methods: Sequence[Rpc]
    probe: MakeProbe
    """A call that nobody sent, for warm-up and verification."""
    inference_tasks: Tasks = frozenset()
    """MLflow's tasks of large language models whose models are this family's before they are another's."""

    def serves(self, rpc: Rpc, task: str) -> bool:
        """Whether one of the family's RPCs answers for models of a task."""
        return task in (self.tasks if rpc.tasks is None else rpc.tasks)
