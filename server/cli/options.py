"""The options of an RPC are the fields of its request message: their names, what they take and what was given."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor, MethodDescriptor

from savor.server.cli.failures import Unusable
from savor.server.cli.inputs import Input
from savor.server.cli.request import key_values

# These have places of their own on the command line.
_ELSEWHERE = {"model", "inputs", "parameters", "json", "csv", "parquet"}


@dataclass(frozen=True)
class Option:
    """A field of a request: what it takes, in words, and what reads it. `read` raises ValueError.

    What is no field of its own has `join`, which gives the inputs with the option's value.
    """

    name: str
    takes: str
    read: Callable[[str], Any]
    repeatable: bool = False
    join: Callable[[list[Input], Any], list[Input]] | None = None

    def __str__(self) -> str:
        return f"{self.name}={self.takes}{' (repeatable)' if self.repeatable else ''}"


def options_of(method: MethodDescriptor) -> dict[str, Option]:
    """The options that an RPC takes, by name."""
    fields = [field for field in _request(method).fields if field.name not in _ELSEWHERE]
    return {field.name: _option(field) for field in fields if field.enum_type or field.type in _TAKES}


def read_options(given: Sequence[str], known: Mapping[str, Option], method: MethodDescriptor) -> dict[str, Any]:
    """The values given for an RPC's options. Raises Unusable, naming what the RPC takes."""
    values: dict[str, Any] = {}
    for key, text in key_values(given, "--option"):
        if key not in known:
            raise Unusable(_unknown(key, known, method))
        option = known[key]
        if key in values and not option.repeatable:
            raise Unusable(f"--option {key} is given twice")
        value = _read(option, text)
        values[key] = [*values.get(key, ()), value] if option.repeatable else value
    return values


def required(send: Callable[..., Any]) -> set[str]:
    """The arguments that a client's method can't do without, but for its inputs."""
    parameters = inspect.signature(send).parameters.values()
    return {each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty}


def takes_parameters(send: Callable[..., Any]) -> bool:
    """Whether a client's method takes options of the pipeline."""
    return "parameters" in inspect.signature(send).parameters


def _read(option: Option, text: str) -> Any:
    try:
        return option.read(text)
    except ValueError:
        raise Unusable(f"--option {option.name} takes {option.takes}, not {text!r}") from None


def _unknown(key: str, known: Mapping[str, Option], method: MethodDescriptor) -> str:
    takes = ", ".join(str(option) for option in known.values()) or "none"
    parameters = _request(method).fields_by_name.get("parameters")
    known_there = parameters is not None and key in parameters.message_type.fields_by_name
    hint = f"; {key} is a parameter: --param {key}=…" if known_there else ""
    return f"{method.name} has no option {key!r}{hint}\nits options: {takes}"


def _request(method: MethodDescriptor) -> Any:
    """The message that holds the options: what opens a stream, where the client sends one."""
    return method.input_type.fields_by_name["config"].message_type if method.client_streaming else method.input_type


def _option(field: FieldDescriptor) -> Option:
    takes, read = _choice(field.enum_type) if field.enum_type else _TAKES[field.type]
    return Option(field.name, takes, read, bool(field.is_repeated))


def _choice(kind: EnumDescriptor) -> tuple[str, Callable[[str], str]]:
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    names = [value.name.removeprefix(prefix).lower() for value in kind.values if value.number]
    # A list's own `index` raises ValueError for what is not in it.
    return "|".join(names), lambda text: names[names.index(text)]


def _whole(bits: int, text: str) -> int:
    number = int(text)
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError(f"{number} has more than {bits} bits")
    return number


def _truth(text: str) -> bool:
    return ("false", "true").index(text.lower()) == 1


_TAKES: Mapping[int, tuple[str, Callable[[str], Any]]] = {
    FieldDescriptor.TYPE_STRING: ("TEXT", str),
    FieldDescriptor.TYPE_BOOL: ("true|false", _truth),
    FieldDescriptor.TYPE_INT32: ("a whole number", partial(_whole, 32)),
    FieldDescriptor.TYPE_INT64: ("a whole number", partial(_whole, 64)),
    FieldDescriptor.TYPE_DOUBLE: ("a number", float),
}
