"""The fields of requests and replies as rows of a table: their paths, and what the protos' comments say of them.

What every RPC has (`model`, `parameters.extra`, the envelope of replies) is told once for all and is no row.
"""

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from docs.comments import comments

_COMMON = {"model", "extra", "timing", "warnings", "model_version"}
_PASSED = {"parameters", "results"}
"""Fields of every RPC that are told once for all, but not what is in them."""

Rows = Mapping[str, str]
"""A comment for each path."""


def rows(message: Descriptor, prefix: str = "") -> Rows:
    """The fields of a message and of those in it, the outer ones first."""
    return dict(_walk(message, prefix))


def _walk(message: Descriptor, prefix: str) -> Iterator[tuple[str, str]]:
    for field in message.fields:
        if field.name in _COMMON:
            continue
        path = f"{prefix}{field.name}{'[]' if field.is_repeated else ''}"
        if field.name not in _PASSED:
            yield path, _comment(field)
        if field.message_type is not None:
            yield from _walk(field.message_type, f"{path}.")


def _comment(field: FieldDescriptor) -> str:
    words = comments()
    said = words[field.full_name]
    if field.enum_type is None:
        return said
    scope = field.enum_type.full_name
    values = (f"`{each.name}`: {words[f'{scope}.{each.name}']}" for each in field.enum_type.values[1:])
    return " ".join([said, *values])


def request(rpc: MethodDescriptor, before: Sequence[MethodDescriptor]) -> str:
    """What an RPC takes, as a table; only what is new where an earlier one takes all of the rest."""
    return _table("Takes", rpc, before, [rows(each.input_type) for each in (rpc, *before)])


def reply(rpc: MethodDescriptor, before: Sequence[MethodDescriptor]) -> str:
    """What an RPC answers, likewise."""
    return _table("Answers", rpc, before, [rows(each.output_type) for each in (rpc, *before)])


def _table(verb: str, rpc: MethodDescriptor, before: Sequence[MethodDescriptor], found: Sequence[Rows]) -> str:
    own, *earlier = found
    for other, told in zip(before, earlier, strict=True):
        if told.keys() <= own.keys():
            new = {path: text for path, text in own.items() if told.get(path) != text}
            head = f"{verb} what `{other.name}` {verb.lower()}"
            return f"{head}, and:\n\n{_lines(new)}" if new else f"{head}."
    return f"{verb}:\n\n{_lines(own)}"


def _lines(found: Rows) -> str:
    return "\n".join(
        ["| field | what it is |", "|---|---|", *(f"| `{path}` | {_cell(text)} |" for path, text in found.items())]
    )


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*").replace("<", r"\<")
