"""Messages and dataclasses: what is written is what is read, for every RPC of every family."""

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from savor.codec import to_param_value
from savor.flavor import replies, table
from savor.flavor.audio import PcmAudio, PcmEncoding
from savor.flavor.errors import InvalidInput
from savor.flavor.families import feature_extraction, speech_recognition, text_classification, text_generation
from savor.flavor.family import Family, Method
from savor.flavor.sentence import Pooling
from savor.flavor.sequences import FinishReason
from savor.server import wire
from savor.v1 import common_pb2, feature_extraction_pb2, speech_recognition_pb2, text_generation_pb2
from savor.v1 import text_classification_pb2 as classification_pb2

METHODS = [
    pytest.param(family, method, id=f"{family.service}/{method.name}")
    for family in table.FAMILIES
    for method in family.methods
]

Array = np.ndarray
_FLOATS = st.floats(width=32, allow_nan=False)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, as families make them."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*(st.none() if part is types.NoneType else _values(part) for part in arguments))
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is np.ndarray:
        return arrays.arrays(np.float32, arrays.array_shapes(min_dims=1, max_dims=1, min_side=0), elements=_FLOATS)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(list(hint))
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{field.name: _values(hints[field.name]) for field in dataclasses.fields(hint)})
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(),
        int: st.integers(0, 2**31 - 1),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
    }
    return plain[hint]


def _check(value: Any, message: Message) -> None:
    """A message says what a dataclass says, field by field."""
    for field in dataclasses.fields(value):
        mine, descriptor = getattr(value, field.name), message.DESCRIPTOR.fields_by_name[field.name]
        if mine is None:
            assert descriptor.has_presence or descriptor.enum_type is not None
            assert field.name not in [set_.name for set_, _ in message.ListFields()]
            continue
        if descriptor.has_presence:
            assert message.HasField(field.name)
        theirs = getattr(message, field.name)
        if isinstance(mine, tuple) and not any(map(dataclasses.is_dataclass, mine)):
            assert list(mine) == list(theirs)
        elif isinstance(mine, tuple):
            assert len(mine) == len(theirs)
            for one, other in zip(mine, theirs, strict=True):
                _check(one, other)
        elif isinstance(mine, np.ndarray):
            shown = theirs if descriptor.is_repeated else np.frombuffer(theirs.data, "<f4").reshape(theirs.shape)
            np.testing.assert_array_equal(np.array(shown, np.float32), mine)
        elif isinstance(mine, enum.Enum):
            assert descriptor.enum_type.values_by_number[theirs].name.endswith(f"_{mine.name}")
        elif dataclasses.is_dataclass(mine):
            _check(mine, theirs)
        else:
            assert theirs == mine


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize(("family", "method"), METHODS)
def test_every_response_is_written_as_it_is(family: Family, method: Method, data: st.DataObject) -> None:
    response = data.draw(_values(method.response))
    descriptor = wire.service_descriptor(family.service).methods_by_name[method.name].output_type
    written = wire.write(response, descriptor)
    _check(response, GetMessageClass(descriptor).FromString(written.SerializeToString()))


def test_a_service_that_no_proto_has() -> None:
    with pytest.raises(KeyError):
        wire.service_descriptor("NoService")


TENSORS = [
    pytest.param(np.arange(6, dtype=np.float32).reshape(2, 3), common_pb2.DATA_TYPE_FLOAT32, "<f4", id="float32"),
    pytest.param(np.arange(6, dtype=np.float64).reshape(3, 2), common_pb2.DATA_TYPE_FLOAT64, "<f8", id="float64"),
    pytest.param(np.arange(6).reshape(1, 6), common_pb2.DATA_TYPE_INT64, "<i8", id="int64"),
    pytest.param(np.arange(6, dtype=np.float32).reshape(2, 3).T, common_pb2.DATA_TYPE_FLOAT32, "<f4", id="transposed"),
    pytest.param(np.arange(9, dtype=np.float32)[::2], common_pb2.DATA_TYPE_FLOAT32, "<f4", id="every second"),
    pytest.param(np.zeros((0, 4), np.float32), common_pb2.DATA_TYPE_FLOAT32, "<f4", id="empty"),
    pytest.param(
        np.array([np.nan, np.inf, -0.0], np.float32), common_pb2.DATA_TYPE_FLOAT32, "<f4", id="special numbers"
    ),
]


@pytest.mark.parametrize(("array", "dtype", "code"), TENSORS)
def test_an_array_as_a_tensor(array: Array, dtype: int, code: str) -> None:
    tensor = wire.tensor(array)
    assert (tensor.dtype, tuple(tensor.shape)) == (dtype, array.shape)
    np.testing.assert_array_equal(np.frombuffer(tensor.data, code).reshape(array.shape), array)


@pytest.mark.parametrize("dtype", ["float16", "int32", "bool"])
def test_an_array_that_a_tensor_can_not_hold(dtype: str) -> None:
    with pytest.raises(KeyError):
        wire.tensor(np.zeros(1, dtype))


PACKED = [
    pytest.param(np.arange(3, dtype=np.float32), id="a few"),
    pytest.param(np.arange(100_000, dtype=np.float32), id="many"),
    pytest.param(np.zeros(0, np.float32), id="none"),
    pytest.param(np.array([np.inf, -0.0, 1e-45], np.float32), id="special numbers"),
    pytest.param(np.arange(9, dtype=np.float32)[::2], id="every second"),
    pytest.param(np.arange(3, dtype=np.float64), id="float64"),
]


@pytest.mark.parametrize("values", PACKED)
def test_an_array_as_a_packed_field(values: Array) -> None:
    """Written from bytes, it is what protobuf itself would have written."""
    response = feature_extraction.EmbedTextResponse((feature_extraction.TextEmbedding(values, 7),))
    written = wire.write(response, feature_extraction_pb2.EmbedTextResponse.DESCRIPTOR)
    plain = feature_extraction_pb2.TextEmbedding(values=values.tolist(), token_count=7)
    assert written == feature_extraction_pb2.EmbedTextResponse(results=[plain])
    assert written.SerializeToString() == feature_extraction_pb2.EmbedTextResponse(results=[plain]).SerializeToString()


def test_an_enum_is_written_by_name_and_none_is_left_out() -> None:
    deltas = [replies.TextGenerationDelta(0, 0, "a", reason, 1, 1) for reason in (None, FinishReason.STOP_SEQUENCE)]
    response = replies.StreamGenerateTextResponse(tuple(deltas))
    written = wire.write(response, text_generation_pb2.StreamGenerateTextResponse.DESCRIPTOR)
    reasons = [delta.finish_reason for delta in written.results]
    assert reasons == [
        text_generation_pb2.FINISH_REASON_UNSPECIFIED,
        text_generation_pb2.FINISH_REASON_STOP_SEQUENCE,
    ]


def test_an_absent_number_is_not_zero() -> None:
    chunks = tuple(speech_recognition.SpeechChunk("a", 0.0, end_s) for end_s in (None, 0.0))
    result = speech_recognition.SpeechRecognitionResult("a", chunks, 1.0)
    response = speech_recognition.RecognizeSpeechResponse((result,))
    written = wire.write(response, speech_recognition_pb2.RecognizeSpeechResponse.DESCRIPTOR)
    assert [chunk.HasField("end_s") for chunk in written.results[0].chunks] == [False, True]


READ = [
    pytest.param(
        feature_extraction_pb2.EmbedTextRequest,
        'inputs: "a" inputs: "" pooling: POOLING_CLS normalize: false parameters { truncation: true }',
        feature_extraction.EmbedTextRequest(("a", ""), {"truncation": True}, Pooling.CLS, False),
        id="embeddings",
    ),
    pytest.param(
        feature_extraction_pb2.EmbedTextRequest,
        "pooling: POOLING_UNSPECIFIED",
        feature_extraction.EmbedTextRequest((), {}, None, None),
        id="an enum's zero",
    ),
    pytest.param(
        classification_pb2.ClassifyTextRequest,
        'model: "m" inputs { text: "a" } inputs { text: "b" text_pair: "" } top_k: 0',
        text_classification.ClassifyTextRequest(
            (text_classification.TextClassificationInput("a"), text_classification.TextClassificationInput("b", "")),
            {},
            0,
        ),
        id="pairs",
    ),
    pytest.param(
        text_generation_pb2.GenerateTextRequest,
        'inputs: "a" stop: "x" seed: 0 parameters { temperature: 1 max_new_tokens: 2 '
        'extra { key: "k" value { int_value: 3 } } extra { key: "n" value { null_value: NULL_VALUE } } }',
        text_generation.GenerateTextRequest(
            ("a",), {"temperature": 1.0, "max_new_tokens": 2, "k": 3, "n": None}, ("x",), 0
        ),
        id="parameters",
    ),
    pytest.param(
        speech_recognition_pb2.RecognizeSpeechRequest,
        'inputs { content: "RIFF" } inputs { uri: "file:///a" } inputs { } '
        'inputs { pcm { samples: "ab" encoding: PCM_ENCODING_S16LE sample_rate_hz: 8000 } } timestamps: '
        "TIMESTAMP_GRANULARITY_WORD",
        speech_recognition.RecognizeSpeechRequest(
            (
                speech_recognition.AudioInput(content=b"RIFF"),
                speech_recognition.AudioInput(uri="file:///a"),
                speech_recognition.AudioInput(),
                speech_recognition.AudioInput(pcm=PcmAudio(b"ab", PcmEncoding.S16LE, 8000, None)),
            ),
            {},
            speech_recognition.TimestampGranularity.WORD,
        ),
        id="recordings",
    ),
]


@pytest.mark.parametrize(("kind", "text", "expected"), READ)
def test_a_request_is_read_as_it_is(kind: type[Message], text: str, expected: Any) -> None:
    assert wire.read(text_format.Parse(text, kind()), type(expected)) == expected


def test_numbers_keep_their_types() -> None:
    message = text_generation_pb2.GenerateTextRequest()
    values: Mapping[str, Any] = {"i": 2, "d": 2.0, "b": True, "s": "2", "l": [1, 1.0], "m": {"a": None}}
    for key, value in values.items():
        message.parameters.extra[key].CopyFrom(to_param_value(value))
    read = wire.read(message, text_generation.GenerateTextRequest).parameters
    assert {key: repr(value) for key, value in read.items()} == {key: repr(value) for key, value in values.items()}


UNREADABLE = [
    pytest.param(
        'parameters { truncation: true extra { key: "truncation" value { bool_value: false } } }',
        "parameters.extra.truncation",
        id="a parameter twice",
    ),
    pytest.param('parameters { extra { key: "k" value { } } }', "parameters.extra.k", id="a parameter without a value"),
    pytest.param("pooling: 99", "pooling", id="an enum value from the future"),
]


@pytest.mark.parametrize(("text", "field"), UNREADABLE)
def test_what_can_not_be_read_is_named(text: str, field: str) -> None:
    message = text_format.Parse(text, feature_extraction_pb2.EmbedTextRequest())
    with pytest.raises(InvalidInput) as caught:
        wire.read(message, feature_extraction.EmbedTextRequest)
    assert [violation.field for violation in caught.value.violations] == [field]
