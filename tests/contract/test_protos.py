"""The wire and the families say the same: services, messages and dataclasses agree field by field."""

import dataclasses
import enum
import typing

import pytest
from google.protobuf.descriptor import Descriptor

from savor import codec
from savor.flavor import table
from savor.flavor.family import Dialogue, Family, Method, Rpc
from savor.server import wire

METHODS = [(family, method) for family in table.FAMILIES for method in family.methods]
DIALOGUES = {method.name for _, method in METHODS if isinstance(method, Dialogue)}
IDS = [method.name for _, method in METHODS]
BODIES = {"Predict"}
"""RPCs whose input and output are bodies of MLflow's, not inputs and results."""
TYPED = [pytest.param(*row, id=row[1].name) for row in METHODS if row[1].name not in BODIES]


def rpc(family: Family, method: Rpc):
    return wire.service_descriptor(family.service).methods_by_name[method.name]


@pytest.mark.parametrize("family", table.FAMILIES, ids=lambda family: family.name)
def test_a_service_has_the_methods_of_its_family(family: Family) -> None:
    service = wire.service_descriptor(family.service)
    assert {method.name for method in service.methods} == {method.name for method in family.methods}
    streaming = {method.name for method in service.methods if method.server_streaming and not method.client_streaming}
    assert streaming == {method.name for method in family.methods if isinstance(method, Method) and method.streams}


@pytest.mark.parametrize(("family", "method"), METHODS, ids=IDS)
def test_a_request_has_the_fields_of_its_dataclass(family: Family, method: Rpc) -> None:
    message = rpc(family, method).input_type
    assert fields_of(message) - {"model"} == fields_of(method.request)
    check_nested(message, method.request)


@pytest.mark.parametrize(("family", "method"), METHODS, ids=IDS)
def test_a_response_has_the_fields_of_its_dataclass_and_the_envelope(family: Family, method: Rpc) -> None:
    message = rpc(family, method).output_type
    assert fields_of(message) == fields_of(method.response) | wire.ENVELOPE
    check_nested(message, method.response)


@pytest.mark.parametrize(("family", "method"), TYPED)
def test_the_common_fields_keep_their_numbers(family: Family, method: Rpc) -> None:
    request, response = rpc(family, method).input_type, rpc(family, method).output_type
    if method.name in DIALOGUES:
        request = request.fields_by_name["config"].message_type
    assert [request.fields_by_name[name].number for name in ("model", "parameters")] == [1, 3]
    assert method.name in DIALOGUES or request.fields_by_name["inputs"].number == 2
    names = ("results", "timing", "warnings", "model_version")
    assert [response.fields_by_name[name].number for name in names] == [1, 2, 3, 4]


@pytest.mark.parametrize("method", [method for _, method in METHODS if method.name in BODIES], ids=lambda m: m.name)
def test_a_body_has_the_number_of_results(method: Rpc) -> None:
    [family] = [family for family, other in METHODS if other is method]
    request, response = rpc(family, method).input_type, rpc(family, method).output_type
    assert request.fields_by_name["model"].number == 1
    numbers = {field.name: field.number for field in response.fields}
    assert numbers == {"json": 1, "timing": 2, "warnings": 3, "model_version": 4}


def fields_of(shape) -> set[str]:
    if isinstance(shape, type):
        return {field.name for field in dataclasses.fields(shape)}
    return set(shape.fields_by_name)


def check_nested(message: Descriptor, dataclass: type) -> None:
    """Messages and enums inside agree too; absence is spelled the same way on both sides."""
    hints = typing.get_type_hints(dataclass)
    for field in dataclasses.fields(dataclass):
        inner, on_wire = codec.inner_type(hints[field.name]), message.fields_by_name[field.name]
        if isinstance(inner, type) and dataclasses.is_dataclass(inner):
            assert fields_of(on_wire.message_type) == fields_of(inner), field.name
            check_nested(on_wire.message_type, inner)
        elif isinstance(inner, type) and issubclass(inner, enum.Enum):
            values = [value.name for value in on_wire.enum_type.values]
            prefix = values[0].removesuffix("UNSPECIFIED")
            assert {name.removeprefix(prefix) for name in values[1:]} == {member.name for member in inner}
        elif inner in (str, int, float, bool, bytes):
            optional = type(None) in typing.get_args(hints[field.name])
            assert optional == (on_wire.has_presence and not on_wire.is_repeated), field.name
