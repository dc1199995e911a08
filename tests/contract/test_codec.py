"""The codec between messages, frozen dataclasses and plain Python: by field name, with types kept."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf import text_format

from savor.codec import CodecError, reader, to_param_value, to_python
from savor.v1 import common_pb2, feature_extraction_pb2, model_pb2, speech_recognition_pb2, text_generation_pb2

VALUES = [
    None,
    False,
    True,
    0,
    1,
    2**63 - 1,
    -(2**63),
    0.0,
    1.0,
    -0.5,
    math.inf,
    "",
    "a",
    [],
    [1, 1.0, True, None, ["x"]],
    {},
    {"a": {"b": [2.0, 2]}},
]


def _exact(value: object) -> str:
    """1, 1.0 and True are equal in Python; their representations are not."""
    return repr(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_parameter_comes_back_with_its_type(value: object) -> None:
    sent = to_param_value(value).SerializeToString()
    assert _exact(to_python(common_pb2.ParamValue.FromString(sent))) == _exact(value)


def test_a_tuple_comes_back_as_a_list() -> None:
    assert to_python(to_param_value((1, (2.0,)))) == [1, [2.0]]


NO_PARAMETERS = [
    pytest.param(b"a", TypeError, id="bytes"),
    pytest.param({1}, TypeError, id="set"),
    pytest.param([1, object()], TypeError, id="object in a list"),
    pytest.param(2**63, ValueError, id="too large"),
    pytest.param({"a": -(2**63) - 1}, ValueError, id="too small, in a dict"),
]


@pytest.mark.parametrize(("value", "error"), NO_PARAMETERS)
def test_what_is_no_parameter_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        to_param_value(value)


class DataType(enum.Enum):
    FLOAT32 = 1
    FLOAT64 = 2
    INT64 = 3


@dataclass(frozen=True)
class Tensor:
    shape: tuple[int, ...]
    data: bytes
    dtype: DataType | None


@dataclass(frozen=True)
class Features:
    features: Tensor | None


def test_a_tensor_is_read_whole() -> None:
    read = reader(common_pb2.Tensor.DESCRIPTOR, Tensor)
    message = common_pb2.Tensor(dtype=common_pb2.DATA_TYPE_INT64, shape=[2, 0], data=b"\0\xff")
    assert read(message) == Tensor((2, 0), b"\0\xff", DataType.INT64)
    assert read(common_pb2.Tensor()) == Tensor((), b"", None)


@dataclass(frozen=True)
class Chunk:
    text: str
    end_s: float | None


@dataclass(frozen=True)
class Recording:
    chunks: tuple[Chunk, ...]


def test_absent_differs_from_zero() -> None:
    message = text_format.Parse(
        'chunks { text: "a" } chunks { end_s: 0 }', speech_recognition_pb2.SpeechRecognitionResult()
    )
    read = reader(message.DESCRIPTOR, Recording)
    assert read(message) == Recording((Chunk("a", None), Chunk("", 0.0)))


def test_an_absent_message_is_none_where_the_hint_allows_it() -> None:
    read = reader(feature_extraction_pb2.FeatureExtractionResult.DESCRIPTOR, Features)
    assert read(feature_extraction_pb2.FeatureExtractionResult()) == Features(None)


@dataclass(frozen=True)
class Request:
    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    seed: int | None


GENERATE = reader(text_generation_pb2.GenerateTextRequest.DESCRIPTOR, Request)


def _request(text: str) -> text_generation_pb2.GenerateTextRequest:
    return text_format.Parse(text, text_generation_pb2.GenerateTextRequest())


PARAMETERS = [
    pytest.param("", {}, id="absent"),
    pytest.param("parameters {}", {}, id="empty"),
    pytest.param("parameters { do_sample: false top_k: 0 }", {"do_sample": False, "top_k": 0}, id="set to zero"),
    pytest.param(
        'parameters { temperature: 2 extra { key: "penalty_alpha" value { int_value: 2 } } }',
        {"temperature": 2.0, "penalty_alpha": 2},
        id="typed and extra",
    ),
    pytest.param(
        'parameters { extra { key: "temperature" value { null_value: NULL_VALUE } } }', {"temperature": None}, id="null"
    ),
]


@pytest.mark.parametrize(("text", "expected"), PARAMETERS)
def test_set_parameters_become_one_mapping(text: str, expected: dict[str, Any]) -> None:
    assert _exact(GENERATE(_request(text)).parameters) == _exact(expected)


UNREADABLE = [
    pytest.param(
        'parameters { top_k: 1 extra { key: "top_k" value { int_value: 1 } } }',
        "parameters.extra.top_k",
        "set twice",
        id="set twice",
    ),
    pytest.param('parameters { extra { key: "a" value {} } }', "parameters.extra.a", "has no value", id="no value"),
]


@pytest.mark.parametrize(("text", "field", "words"), UNREADABLE)
def test_an_error_names_the_field(text: str, field: str, words: str) -> None:
    with pytest.raises(CodecError, match=words) as caught:
        GENERATE(_request(text))
    assert caught.value.field == field


class State(enum.Enum):
    LOADING = 1
    READY = 2


@dataclass(frozen=True)
class Model:
    state: State | None
    model_config: Mapping[str, Any]


@dataclass(frozen=True)
class Models:
    models: tuple[Model, ...]


MODELS = reader(model_pb2.ListModelsResponse.DESCRIPTOR, Models)


def test_an_enum_value_is_read_by_its_name() -> None:
    message = text_format.Parse("models { state: MODEL_STATE_READY } models {}", model_pb2.ListModelsResponse())
    assert [model.state for model in MODELS(message).models] == [State.READY, None]


def test_an_unknown_enum_value_is_refused_with_its_path() -> None:
    message = model_pb2.ListModelsResponse(models=[model_pb2.Model(), model_pb2.Model()])
    message.models[1].state = 99
    with pytest.raises(CodecError, match="unknown value 99; known are UNSPECIFIED, LOADING, READY") as caught:
        MODELS(message)
    assert caught.value.field == "models[1].state"


def test_a_map_is_read_by_its_keys() -> None:
    message = model_pb2.ListModelsResponse(models=[model_pb2.Model(model_config={"a": to_param_value(1)})])
    assert _exact(MODELS(message).models[0].model_config) == "{'a': 1}"
    message.models[0].model_config["b"].SetInParent()
    with pytest.raises(CodecError, match="has no value") as caught:
        MODELS(message)
    assert caught.value.field == "models[0].model_config.b"


@dataclass(frozen=True)
class Misspelt:
    modles: tuple[Model, ...]


def test_a_dataclass_that_the_message_does_not_fit_fails_when_the_reader_is_made() -> None:
    with pytest.raises(KeyError, match="modles"):
        reader(model_pb2.ListModelsResponse.DESCRIPTOR, Misspelt)
