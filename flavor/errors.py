"""Everything that can go wrong with a call, along the path that its data takes. A class says what, never a wire code.

SavorError
├── LoadRefused            a saved model that can't be read, or that the operator has not allowed
├── UnknownModel           a name that nothing is served under
├── NotReady               a model that is still loading, or a server that is going away
├── WrongFamily            a model that another RPC serves
├── InvalidInput           a field of the request that can't be used
│   └── UnsupportedParameter   a parameter that the model or its pipeline does not take
├── Overloaded             a queue with no room left
├── DeadlinePassed         no answer within the caller's time
└── ExecutionFailed        the model failed; the log has the details
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Violation:
    """One field of a request and what is wrong with it. `field` is its path, such as `inputs[3].text`."""

    field: str
    problem: str


class SavorError(Exception):
    """The root. Its text is a sentence for the caller; it names neither paths of the server nor its code."""

    reason = "INTERNAL"
    details: Mapping[str, str] = MappingProxyType({})
    """What else a program may want to know, by name; it travels beside the reason."""


class LoadRefused(SavorError):
    """A saved model is not loaded: it can't be read, or it needs something that the operator has not allowed."""

    reason = "LOAD_REFUSED"


class UnknownModel(SavorError):
    """No model is served under this name, version or alias."""

    reason = "UNKNOWN_MODEL"


class NotReady(SavorError):
    """The model is still loading, or the server is going away. The same call may succeed later."""

    reason = "NOT_READY"


class WrongFamily(SavorError):
    """The model belongs to a family that another RPC serves."""

    reason = "WRONG_FAMILY"


class InvalidInput(SavorError):
    """One or more fields of the request can't be used."""

    reason = "INVALID_INPUT"

    def __init__(self, *violations: Violation, details: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__("; ".join(f"{v.field}: {v.problem}" for v in violations))
        self.violations = violations
        self.details = details

    @classmethod
    def at(cls, field: str, problem: str) -> "InvalidInput":
        """The error for one field."""
        return cls(Violation(field, problem))


class UnsupportedParameter(InvalidInput):
    """The model's signature, or its pipeline, does not take a parameter."""

    reason = "UNSUPPORTED_PARAMETER"


class Overloaded(SavorError):
    """The queue is full. `retry_after_s` is when there may be room, in seconds."""

    reason = "OVERLOADED"

    def __init__(self, sentence: str, retry_after_s: float) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class DeadlinePassed(SavorError):
    """The caller's time was over before the answer was there."""

    reason = "DEADLINE_PASSED"


class ExecutionFailed(SavorError):
    """The model failed on an input that looked right."""

    reason = "EXECUTION_FAILED"
