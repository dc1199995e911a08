"""A request as plain values, and the message that it becomes; for what is None, the server's default applies.

Raises TypeError and ValueError for what no request can hold, naming the argument; all else is the server's to judge.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, TypeAlias, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from savor.client.parameters import to_message

Texts: TypeAlias = str | Iterable[str]
Parameters: TypeAlias = Mapping[str, object] | None

Kind = TypeVar("Kind", bound=Message)


@dataclass(frozen=True)
class Request:
    """The fields of a request by name, and the seconds that its call may take; None stands for the client's own."""

    fields: Mapping[str, object]
    timeout_s: float | None


def request(timeout_s: float | None, **fields: object) -> Request:
    """A request with these fields."""
    return Request(fields, timeout_s)


def compose(kind: type[Kind], fields: Mapping[str, object]) -> Kind:
    """The message of these fields. Parameters are a mapping, and an enum's value is a word in small letters."""
    converters = _converters(kind.DESCRIPTOR)
    return kind(**{name: converters[name](value) if name in converters else value for name, value in fields.items()})


@cache
def _converters(message: Any) -> Mapping[str, Callable[[Any], Any]]:
    """What turns plain values into those of the fields that don't take them as they are, for a message's Descriptor."""
    converters: dict[str, Callable[[Any], Any]] = {}
    for field in message.fields:
        if field.enum_type is not None:
            converters[field.name] = partial(_enum_name, field.enum_type)
        elif field.name == "parameters" and field.message_type is not None:
            converters[field.name] = partial(to_message, GetMessageClass(field.message_type))
    return converters


def _enum_name(kind: EnumDescriptor, value: str | None) -> str | None:
    """The name on the wire of a value that callers write in small letters and without prefix."""
    if value is None:
        return None
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    names = {each.name.removeprefix(prefix).lower(): each.name for each in kind.values if each.number}
    if value not in names:
        raise ValueError(f"{value!r} is no {kind.name}; use one of {', '.join(names)}")
    return names[value]
