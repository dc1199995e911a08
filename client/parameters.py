"""Pipeline options in plain Python put into a family's Parameters message, keeping integers and floats apart.

An option goes to the message's own field where there is one of its name and the value fits that field's type exactly;
any other goes to the map `extra` as it is, and the server judges it under MLflow's rules.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from savor.codec import to_param_value

Parameters = TypeVar("Parameters", bound=Message)


def to_message(kind: type[Parameters], parameters: Mapping[str, object] | None) -> Parameters | None:
    """The options as a message of this kind; None where there are none.

    Raises TypeError for a value that no parameter can have, ValueError for an integer outside 64 bits.
    """
    if not parameters:
        return None
    message = kind()
    fields = kind.DESCRIPTOR.fields_by_name
    for name, value in parameters.items():
        if name in fields and _fits(fields[name].type, value):
            setattr(message, name, value)
        else:
            _put_extra(message, name, value)
    return message


def _fits(field_type: int, value: object) -> bool:
    test = _TESTS.get(field_type)
    return test is not None and test(value)


def _put_extra(message: Any, name: str, value: object) -> None:
    try:
        message.extra[name].CopyFrom(to_param_value(value))
    except TypeError as error:
        raise TypeError(f"parameters[{name!r}]: {error}") from None
    except ValueError as error:
        raise ValueError(f"parameters[{name!r}]: {error}") from None


def _is_int64(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_double(value: object) -> bool:
    # Larger integers have no double of their own: the nearest one would be another number.
    return isinstance(value, float) or (isinstance(value, int) and _is_int64(value) and abs(value) <= 2**53)


_TESTS: Mapping[int, Callable[[object], bool]] = {
    FieldDescriptor.TYPE_BOOL: lambda value: isinstance(value, bool),
    FieldDescriptor.TYPE_INT64: _is_int64,
    FieldDescriptor.TYPE_DOUBLE: _is_double,
    FieldDescriptor.TYPE_STRING: lambda value: isinstance(value, str),
}
