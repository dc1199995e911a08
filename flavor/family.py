"""What a pipeline family is: the tasks it serves and, for each of its RPCs, how a request becomes a response."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from savor.flavor.artifact import Artifact
from savor.flavor.item import Prepared


@dataclass(frozen=True)
class Method:
    """One RPC of a family. `name` is the RPC's; `request` and `response` are frozen dataclasses.

    `prepare` checks, templates and encodes a request. A method that streams sends a response for every step that moved
    one of its sequences on.
    """

    name: str
    request: type
    response: type
    prepare: Callable[[Any, Artifact], Prepared]
    streams: bool = False


@dataclass(frozen=True)
class Family:
    """A family of pipeline tasks that one gRPC service serves."""

    name: str
    service: str
    """The name of the service in the package savor.v1."""
    tasks: frozenset[str]
    methods: tuple[Method, ...]
    probe: Callable[[Artifact], Prepared]
    """A small call that makes the model run once, for warm-up."""
