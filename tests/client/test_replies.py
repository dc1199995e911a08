"""What each method gives back: every field of the response, in frozen dataclasses, sync and aio alike."""

import dataclasses
import types
import typing
from typing import Any

import numpy
import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

import savor.client
from savor.client import (
    ClassifyTextReply,
    DataType,
    EmbedTextReply,
    ExtractFeaturesReply,
    FeatureExtractionResult,
    FinishReason,
    GeneratedSequence,
    GenerateTextReply,
    GetModelReply,
    Internal,
    ListModelsReply,
    Model,
    ModelBackend,
    ModelLimits,
    ModelParameter,
    ModelState,
    RecognizeSpeechReply,
    ScoredLabel,
    SpeechChunk,
    SpeechRecognitionResult,
    StreamGenerateTextReply,
    Tensor,
    TextClassificationResult,
    TextEmbedding,
    TextGenerationDelta,
    TextGenerationResult,
    Timing,
    VerificationProbe,
    VerificationReport,
)
from savor.v1 import feature_extraction_pb2 as features
from savor.v1 import model_pb2 as models
from savor.v1 import speech_recognition_pb2 as speech
from savor.v1 import text_classification_pb2 as classification
from savor.v1 import text_generation_pb2 as generation
from tests.client.conftest import EitherClient
from tests.client.serving import SERVICES, Script

TAIL = 'timing { queue_s: 1 prepare_s: 2 run_s: 3 decode_s: 4 } warnings: "w" warnings: "x" model_version: "7"'
READ_TAIL: tuple[Any, ...] = (Timing(1.0, 2.0, 3.0, 4.0), ("w", "x"), "7")

CASES: list[tuple[str, str, list[Any], type[Message], str, object]] = [
    (
        "classify_text",
        "ClassifyText",
        ["a"],
        classification.ClassifyTextResponse,
        f'results {{ labels {{ label: "good" score: 0.75 }} labels {{ label: "bad" score: 0.25 }} }} results {{}} {TAIL}',
        ClassifyTextReply(
            (
                TextClassificationResult((ScoredLabel("good", 0.75), ScoredLabel("bad", 0.25))),
                TextClassificationResult(()),
            ),
            *READ_TAIL,
        ),
    ),
    (
        "extract_features",
        "ExtractFeatures",
        ["a"],
        features.ExtractFeaturesResponse,
        f'results {{ features {{ dtype: DATA_TYPE_FLOAT32 shape: 1 shape: 2 data: "12345678" }} }} results {{}} {TAIL}',
        ExtractFeaturesReply(
            (FeatureExtractionResult(Tensor(DataType.FLOAT32, (1, 2), b"12345678")), FeatureExtractionResult(Tensor())),
            *READ_TAIL,
        ),
    ),
    (
        "embed_text",
        "EmbedText",
        ["a"],
        features.EmbedTextResponse,
        f"results {{ values: 0.5 values: -2 token_count: 3 }} {TAIL}",
        EmbedTextReply((TextEmbedding((0.5, -2.0), 3),), *READ_TAIL),
    ),
    (
        "generate_text",
        "GenerateText",
        ["a"],
        generation.GenerateTextResponse,
        f'results {{ sequences {{ text: " b" finish_reason: FINISH_REASON_LENGTH token_count: 2 }}'
        f' sequences {{ text: "" }} prompt_token_count: 4 }} {TAIL}',
        GenerateTextReply(
            (
                TextGenerationResult(
                    (GeneratedSequence(" b", FinishReason.LENGTH, 2), GeneratedSequence("", None, 0)), 4
                ),
            ),
            *READ_TAIL,
        ),
    ),
    (
        "recognize_speech",
        "RecognizeSpeech",
        [b"a"],
        speech.RecognizeSpeechResponse,
        'results { text: "hi you" audio_s: 1.5 chunks { text: "hi" end_s: 0 } chunks { text: "you" start_s: 1 } } '
        + TAIL,
        RecognizeSpeechReply(
            (SpeechRecognitionResult("hi you", (SpeechChunk("hi", 0.0, 0.0), SpeechChunk("you", 1.0, None)), 1.5),),
            *READ_TAIL,
        ),
    ),
    (
        "list_models",
        "ListModels",
        [],
        models.ListModelsResponse,
        'models { name: "a" uri: "models:/a/1" state: MODEL_STATE_LOADING }'
        ' models { name: "b" state: MODEL_STATE_READY aliases: "live" methods: "x/y"'
        ' parameters { name: "top_k" type: "long" default_value { int_value: 2 } }'
        ' parameters { name: "stop" type: "string[]" default_value { null_value: NULL_VALUE } }'
        ' model_config { key: "top_p" value { double_value: 1 } }'
        ' backend { name: "eager" device: "cpu" precision: "fp32" not_compiled_reason: "asked" }'
        " limits { max_inputs: 1 max_text_chars: 2 max_tokens: 3 max_new_tokens: 4 max_sequences: 5 max_audio_s: 6"
        " max_image_pixels: 7 } }",
        ListModelsReply(
            (
                Model(name="a", uri="models:/a/1", state=ModelState.LOADING),
                Model(
                    name="b",
                    state=ModelState.READY,
                    aliases=("live",),
                    methods=("x/y",),
                    parameters=(ModelParameter("top_k", "long", 2), ModelParameter("stop", "string[]", None)),
                    model_config={"top_p": 1.0},
                    backend=ModelBackend("eager", "cpu", "fp32", "asked"),
                    limits=ModelLimits(1, 2, 3, 4, 5, 6.0, 7),
                ),
            )
        ),
    ),
    (
        "get_model",
        "GetModel",
        ["a"],
        models.GetModelResponse,
        'model { name: "a" version: "1" signature_json: "{}" unknown_parameters: "drop"'
        ' backend { name: "onnx" device: "cuda:0" precision: "fp16" provider: "CUDAExecutionProvider"'
        ' report { precision: "fp16" allowed_difference: 0.5 asked_agreement: 1 largest_difference: 0.25'
        ' mean_difference: 0.125 agreement: 1 probes { name: "6 words" largest_difference: 0.25 mean_difference: 0.125'
        " agreement: 1 } } } }",
        GetModelReply(
            Model(
                name="a",
                version="1",
                signature_json="{}",
                unknown_parameters="drop",
                backend=ModelBackend(
                    "onnx",
                    "cuda:0",
                    "fp16",
                    provider="CUDAExecutionProvider",
                    report=VerificationReport(
                        "fp16", 0.5, 1.0, 0.25, 0.125, 1.0, (VerificationProbe("6 words", 0.25, 0.125, 1.0),)
                    ),
                ),
            )
        ),
    ),
]


@pytest.mark.parametrize(("method", "rpc", "args", "kind", "sent", "expected"), CASES, ids=[case[0] for case in CASES])
async def test_a_reply_holds_the_whole_response(
    either: EitherClient, script: Script, method: str, rpc: str, args: list[Any], kind: Any, sent: str, expected: object
) -> None:
    script.answers[rpc] = text_format.Parse(sent, kind())
    reply = await either.call(method, *args)
    assert reply == expected
    # 2 == 2.0 == True: the representation tells them apart.
    assert repr(reply) == repr(expected)


async def test_a_stream_gives_each_reply_as_it_came(either: EitherClient, script: Script) -> None:
    sent = [
        'results { input: 1 sequence: 2 text: "a" token_count: 1 prompt_token_count: 5 }',
        "results { finish_reason: FINISH_REASON_STOP_SEQUENCE } " + TAIL,
    ]
    responses = [text_format.Parse(each, generation.StreamGenerateTextResponse()) for each in sent]
    script.answers["StreamGenerateText"] = lambda _request, _context: iter(responses)
    assert await either.stream("a") == [
        StreamGenerateTextReply((TextGenerationDelta(1, 2, "a", None, 1, 5),), None, (), ""),
        StreamGenerateTextReply((TextGenerationDelta(0, 0, "", FinishReason.STOP_SEQUENCE, 0, 0),), *READ_TAIL),
    ]


async def test_a_reply_from_a_newer_server_is_no_codec_error(either: EitherClient, script: Script) -> None:
    response = models.GetModelResponse()
    response.model.state = 77
    script.answers["GetModel"] = response
    with pytest.raises(Internal, match=r"model\.state: unknown value 77") as caught:
        await either.call("get_model")
    assert caught.value.reason == "UNREADABLE_REPLY"


def test_replies_have_the_fields_of_their_messages() -> None:
    seen: set[str] = set()
    for service in SERVICES.values():
        for rpc in service.methods:
            reply = getattr(savor.client, f"{rpc.name}Reply")
            _assert_parity(rpc.output_type, reply, seen)
    assert len(seen) > 50


def _assert_parity(message: Any, kind: Any, seen: set[str]) -> None:
    seen.add(message.full_name)
    assert [field.name for field in dataclasses.fields(kind)] == [field.name for field in message.fields], kind
    for name, hint in typing.get_type_hints(kind).items():
        inner = _dataclass_in(hint)
        nested = message.fields_by_name[name].message_type
        if inner is not None:
            _assert_parity(nested, inner, seen)


def _dataclass_in(hint: Any) -> Any:
    if dataclasses.is_dataclass(hint):
        return hint
    if typing.get_origin(hint) in (tuple, types.UnionType, typing.Union):
        return next((each for each in map(_dataclass_in, typing.get_args(hint)) if each is not None), None)
    return None


TENSORS = [
    pytest.param(numpy.arange(6, dtype="<f4").reshape(2, 3), id="float32 matrix"),
    pytest.param(numpy.arange(24, dtype="<i8").reshape(2, 3, 4) - 2**40, id="int64 cube"),
    pytest.param(numpy.array([0.1, -1e300], dtype="<f8"), id="float64 vector"),
    pytest.param(numpy.array(3.5, dtype="<f4"), id="no dimension"),
    pytest.param(numpy.zeros((2, 0), dtype="<f4"), id="empty rows"),
    pytest.param(numpy.zeros((0, 2), dtype="<f4"), id="no rows"),
]


@pytest.mark.parametrize("expected", TENSORS)
def test_a_tensor_gives_its_numbers(expected: Any) -> None:
    tensor = Tensor(DataType(expected.dtype.name), expected.shape, expected.tobytes())
    assert tensor.to_list() == expected.tolist()
    given = tensor.to_numpy()
    assert given.dtype == expected.dtype
    assert given.shape == expected.shape
    assert (given == expected).all()


BROKEN_TENSORS = [
    pytest.param(Tensor(DataType.FLOAT32, (2,), b"1234"), "fill|reshape", id="too short"),
    pytest.param(Tensor(DataType.FLOAT32, (1,), b"12345"), "multiple of", id="half an element"),
    pytest.param(Tensor(None, (1,), b"1234"), "no dtype", id="no dtype"),
]


@pytest.mark.parametrize("read", ["to_list", "to_numpy"], ids=["to_list", "to_numpy"])
@pytest.mark.parametrize(("tensor", "words"), BROKEN_TENSORS)
def test_a_broken_tensor_is_refused(tensor: Tensor, words: str, read: str) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(tensor, read)()
