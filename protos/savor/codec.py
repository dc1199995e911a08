"""Messages to frozen dataclasses and parameter values to Python, by field name, the same way for server and client.

A reader is compiled once for a pair (message type, dataclass), so that a call pays for no reflection. The rules: a
field of the message fills the field of the same name; one that can be absent reads as None; repeated fields read as
tuples; an enum value reads as the member named like it without the enum's prefix, and its zero value as None; a message
read into a `dict` gives its set fields by name, those of a `map<string, ParamValue>` among them.
"""

import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from savor.v1 import common_pb2

Read = Callable[[Any], Any]

_PARAM_VALUE = common_pb2.ParamValue.DESCRIPTOR.full_name


class CodecError(ValueError):
    """A message says what its dataclass can't hold. `field` is the path of the field at fault."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def reader(message: Any, target: type) -> Read:
    """A function from messages of a type, given as its Descriptor, to `target`: a dataclass of some of its fields."""
    return _message_reader(message, target)


@cache
def _message_reader(message: Descriptor, target: Any) -> Read:
    if target is dict:
        return read_set_fields
    hints = typing.get_type_hints(target)
    parts = tuple(
        (field.name, _field_reader(message.fields_by_name[field.name], hints[field.name]))
        for field in dataclasses.fields(target)
    )

    def read(value: Message) -> Any:
        return target(**{name: part(value) for name, part in parts})

    return read


def _field_reader(field: FieldDescriptor, hint: Any) -> Read:
    """A function from the whole message to the value of one of its fields."""
    name = field.name
    inner = inner_type(hint)
    convert = _value_reader(field, inner)
    if field.is_repeated:
        if inner is dict:
            return lambda message: _read_map(getattr(message, name), name)
        return lambda message: tuple(_read_items(getattr(message, name), convert, name))
    if not field.has_presence:
        return lambda message: _read_at(getattr(message, name), convert, name)
    absent = _absent_value(hint, inner)
    return lambda message: _read_at(getattr(message, name), convert, name) if message.HasField(name) else absent()


def _read_at(value: Any, convert: Read | None, path: str) -> Any:
    if convert is None:
        return value
    try:
        return convert(value)
    except CodecError as error:
        raise CodecError(f"{path}.{error.field}".removesuffix("."), error.reason) from None


def _read_items(values: Sequence[Any], convert: Read | None, name: str) -> Sequence[Any]:
    if convert is None:
        return values
    return [_read_at(value, convert, f"{name}[{index}]") for index, value in enumerate(values)]


def _read_map(values: Mapping[str, common_pb2.ParamValue], name: str) -> dict[str, Any]:
    return {key: _read_at(value, to_python, f"{name}.{key}") for key, value in values.items()}


def inner_type(hint: Any) -> Any:
    """`T` of `T | None` and of `tuple[T, ...]`, and plain `dict` of any mapping."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return inner_type(next(a for a in typing.get_args(hint) if a is not types.NoneType))
    if origin is tuple:
        return typing.get_args(hint)[0]
    return dict if isinstance(origin, type) and issubclass(origin, Mapping) else hint


def _absent_value(hint: Any, inner: Any) -> Callable[[], Any]:
    """What an absent field reads as: None where the hint allows it, else an empty value of the type."""
    if types.NoneType in typing.get_args(hint):
        return lambda: None
    return typing.cast(Callable[[], Any], inner)


def _value_reader(field: FieldDescriptor, inner: Any) -> Read | None:
    """What one value of a field goes through; None where it is taken as it is."""
    if field.enum_type is not None:
        return _enum_reader(field.enum_type, inner)
    if field.message_type is None:
        return None
    return to_python if field.message_type.full_name == _PARAM_VALUE else _message_reader(field.message_type, inner)


def _enum_reader(kind: EnumDescriptor, target: type[enum.Enum]) -> Read:
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    members = {value.number: value.name.removeprefix(prefix) for value in kind.values}

    def read(number: int) -> enum.Enum | None:
        if number not in members:
            raise CodecError("", f"unknown value {number}; known are {', '.join(members.values())}")
        return target[members[number]] if number else None

    return read


def read_set_fields(message: Message) -> dict[str, Any]:
    """The fields of a message that are set, by name; a map of ParamValue adds its entries under their own names."""
    values: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is None:
            values[field.name] = value
            continue
        for key in value:
            if key in values:
                raise CodecError(f"{field.name}.{key}", "set twice: as a field of its own and here; set it once")
            values[key] = _read_at(value[key], to_python, f"{field.name}.{key}")
    return values


def to_python(value: common_pb2.ParamValue) -> Any:
    """A parameter value as Python's None, bool, int, float, str, list or dict."""
    match value.WhichOneof("kind"):
        case "null_value":
            return None
        case "list_value":
            return [to_python(item) for item in value.list_value.values]
        case "struct_value":
            return {key: to_python(item) for key, item in value.struct_value.fields.items()}
        case None:
            raise CodecError("", "has no value; set one of ParamValue's kinds")
        case kind:
            return getattr(value, kind)


def to_param_value(value: object) -> common_pb2.ParamValue:
    """Python's None, bool, int, float, str, list, tuple or dict as a parameter value.

    Raises TypeError for any other type, and ValueError for an integer outside 64 bits.
    """
    match value:
        case None:
            return common_pb2.ParamValue(null_value="NULL_VALUE")
        case bool():
            return common_pb2.ParamValue(bool_value=value)
        case int():
            return common_pb2.ParamValue(int_value=value)
        case float():
            return common_pb2.ParamValue(double_value=value)
        case str():
            return common_pb2.ParamValue(string_value=value)
        case list() | tuple():
            items = [to_param_value(item) for item in value]
            return common_pb2.ParamValue(list_value=common_pb2.ParamList(values=items))
        case dict():
            fields = {str(key): to_param_value(item) for key, item in value.items()}
            return common_pb2.ParamValue(struct_value=common_pb2.ParamStruct(fields=fields))
    raise TypeError(f"a parameter can't be a {type(value).__name__}; use None, bool, int, float, str, list or dict")
