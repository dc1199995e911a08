"""What each method puts on the wire, sync and aio alike."""

import inspect
import math
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from savor.client import AioClient, AioStream, Client, Pcm, Stream, StreamCompleteChatReply, TextPair, Uri, connect
from savor.client import calls as client_calls
from savor.v1 import feature_extraction_pb2 as features
from savor.v1 import model_pb2 as models
from savor.v1 import speech_recognition_pb2 as speech
from savor.v1 import text_classification_pb2 as classification
from savor.v1 import text_generation_pb2 as generation
from tests.client.conftest import EitherClient
from tests.client.serving import SERVICES, Script

# Method and arguments, and the request that must arrive.
UNARY: list[tuple[str, list[Any], dict[str, Any], type[Message], str]] = [
    ("classify_text", ["hello"], {}, classification.ClassifyTextRequest, 'inputs { text: "hello" }'),
    (
        "classify_text",
        [["a", ("b", "c"), TextPair("d", "e"), TextPair("f")]],
        {"model": "m@2", "top_k": 0, "parameters": {"function_to_apply": "none", "truncation": True, "max_length": 8}},
        classification.ClassifyTextRequest,
        'model: "m@2" inputs { text: "a" } inputs { text: "b" text_pair: "c" } inputs { text: "d" text_pair: "e" }'
        ' inputs { text: "f" } top_k: 0'
        ' parameters { function_to_apply: "none" truncation: true max_length: 8 }',
    ),
    (
        "extract_features",
        [["a", "b"]],
        {"model": "m", "parameters": {"truncation": False, "padding": "longest"}},
        features.ExtractFeaturesRequest,
        'model: "m" inputs: "a" inputs: "b"'
        ' parameters { truncation: false extra { key: "padding" value { string_value: "longest" } } }',
    ),
    ("embed_text", [""], {}, features.EmbedTextRequest, 'inputs: ""'),
    (
        "embed_text",
        [("a", "b")],
        {"pooling": "last", "normalize": False},
        features.EmbedTextRequest,
        'inputs: "a" inputs: "b" pooling: POOLING_LAST normalize: false',
    ),
    (
        "generate_text",
        ["once"],
        {"model": "m", "stop": "end", "seed": 0, "parameters": {"temperature": 1, "top_k": 5, "do_sample": True}},
        generation.GenerateTextRequest,
        'model: "m" inputs: "once" stop: "end" seed: 0 parameters { temperature: 1.0 top_k: 5 do_sample: true }',
    ),
    ("generate_text", [["a"]], {"stop": ["x", "y"]}, generation.GenerateTextRequest, 'inputs: "a" stop: "x" stop: "y"'),
    ("recognize_speech", [b"RIFF"], {}, speech.RecognizeSpeechRequest, 'inputs { content: "RIFF" }'),
    (
        "recognize_speech",
        [[Pcm(b"\1\0", 16000, "s16le"), Pcm(b"", 8000, "f32le", channels=2), Uri("https://x/y.wav"), b"z"]],
        {"model": "w", "timestamps": "word", "parameters": {"chunk_length_s": 30, "language": "en"}},
        speech.RecognizeSpeechRequest,
        'model: "w" inputs { pcm { samples: "\\001\\000" encoding: PCM_ENCODING_S16LE sample_rate_hz: 16000 channels: 1 } }'
        " inputs { pcm { encoding: PCM_ENCODING_F32LE sample_rate_hz: 8000 channels: 2 } }"
        ' inputs { uri: "https://x/y.wav" } inputs { content: "z" } timestamps: TIMESTAMP_GRANULARITY_WORD'
        ' parameters { chunk_length_s: 30.0 language: "en" }',
    ),
    ("list_models", [], {}, models.ListModelsRequest, ""),
    ("get_model", [], {}, models.GetModelRequest, ""),
    ("get_model", ["m@live"], {}, models.GetModelRequest, 'model: "m@live"'),
]


@pytest.mark.parametrize(
    ("method", "args", "options", "kind", "expected"), UNARY, ids=[f"{case[0]}-{i}" for i, case in enumerate(UNARY)]
)
async def test_a_method_sends_its_request(
    either: EitherClient,
    script: Script,
    method: str,
    args: list[Any],
    options: dict[str, Any],
    kind: Any,
    expected: str,
) -> None:
    await either.call(method, *args, **options)
    assert script.requests == [text_format.Parse(expected, kind())]


async def test_a_stream_sends_its_request(either: EitherClient, script: Script) -> None:
    assert await either.stream(["a", "b"], model="m", stop=["."], seed=7, parameters={"max_new_tokens": 2}) == []
    expected = 'model: "m" inputs: "a" inputs: "b" stop: "." seed: 7 parameters { max_new_tokens: 2 }'
    assert script.requests == [text_format.Parse(expected, generation.StreamGenerateTextRequest())]


async def test_a_path_is_read_here_and_sent(either: EitherClient, script: Script, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF\0")
    await either.call("recognize_speech", [tmp_path / "a.wav", b"b"])
    await either.call("recognize_speech", tmp_path / "a.wav")
    sent = [[each.content for each in request.inputs] for request in script.requests]
    assert sent == [[b"RIFF\0", b"b"], [b"RIFF\0"]]


def _generation(parameters: dict[str, object]) -> Any:
    call = client_calls.GENERATE_TEXT
    return call.message(call.build("a", parameters=parameters))


PARAMETERS: list[tuple[str, object, str]] = [
    ("temperature", 0.5, "temperature: 0.5"),
    ("temperature", 1, "temperature: 1.0"),
    ("temperature", True, 'extra { key: "temperature" value { bool_value: true } }'),
    ("temperature", "hot", 'extra { key: "temperature" value { string_value: "hot" } }'),
    ("temperature", 2**53 + 1, f'extra {{ key: "temperature" value {{ int_value: {2**53 + 1} }} }}'),
    ("top_k", 2, "top_k: 2"),
    ("top_k", 2.0, 'extra { key: "top_k" value { double_value: 2.0 } }'),
    ("top_k", True, 'extra { key: "top_k" value { bool_value: true } }'),
    ("do_sample", False, "do_sample: false"),
    ("do_sample", 1, 'extra { key: "do_sample" value { int_value: 1 } }'),
    ("do_sample", None, 'extra { key: "do_sample" value { null_value: NULL_VALUE } }'),
    ("extra", 1, 'extra { key: "extra" value { int_value: 1 } }'),
    ("penalty_alpha", 2.0, 'extra { key: "penalty_alpha" value { double_value: 2.0 } }'),
    (
        "bad_words_ids",
        [[1], {"a": 2.0}],
        'extra { key: "bad_words_ids" value { list_value { values { list_value { values { int_value: 1 } } }'
        ' values { struct_value { fields { key: "a" value { double_value: 2.0 } } } } } } }',
    ),
]


@pytest.mark.parametrize(("name", "value", "expected"), PARAMETERS, ids=[f"{n}={v}" for n, v, _ in PARAMETERS])
def test_a_parameter_keeps_its_type(name: str, value: object, expected: str) -> None:
    request: Any = _generation({name: value})
    assert request.parameters == text_format.Parse(expected, generation.TextGenerationParameters())


def test_no_parameters_are_not_sent() -> None:
    request: Any = _generation({})
    assert not request.HasField("parameters")


REFUSED: list[tuple[str, list[Any], dict[str, Any], type[Exception], str]] = [
    ("embed_text", [["a", 1]], {}, TypeError, r"inputs\[1\] must be a str, not int"),
    ("embed_text", ["a"], {"pooling": "max"}, ValueError, "'max' is no Pooling; use one of mean, cls, last"),
    ("embed_text", ["a"], {"pooling": "unspecified"}, ValueError, "is no Pooling"),
    ("generate_text", ["a"], {"stop": [None]}, TypeError, r"stop\[0\] must be a str"),
    ("generate_text", ["a"], {"parameters": {"x": {1}}}, TypeError, r"parameters\['x'\]: a parameter can't be a set"),
    ("generate_text", ["a"], {"parameters": {"top_k": 2**63}}, ValueError, r"parameters\['top_k'\]: .*out of range"),
    ("classify_text", [("a", "b")], {}, TypeError, "inputs must not be a tuple"),
    ("classify_text", [["a", ("b",)]], {}, TypeError, r"inputs\[1\] must be a str, a tuple of two"),
    ("classify_text", [[TextPair("a", 1)]], {}, TypeError, r"inputs\[0\] must be"),
    ("classify_text", ["a"], {"top_k": 2**31}, ValueError, "out of range"),
    ("recognize_speech", ["a.wav"], {}, TypeError, r"inputs\[0\] must be bytes, a pathlib.Path"),
    ("recognize_speech", [Pcm(b"", 8000, "mp3")], {}, ValueError, r"inputs\[0\].encoding can't be 'mp3'"),
    ("recognize_speech", [Path("/nowhere")], {}, FileNotFoundError, "nowhere"),
    ("recognize_speech", [b""], {"timestamps": "line"}, ValueError, "use one of none, segment, word, character"),
]


@pytest.mark.parametrize(
    ("method", "args", "options", "error", "words"), REFUSED, ids=[f"{case[0]}-{i}" for i, case in enumerate(REFUSED)]
)
async def test_what_no_request_can_hold_is_refused_before_it_is_sent(
    either: EitherClient, script: Script, method: str, args: list[Any], options: dict[str, Any], error: Any, words: str
) -> None:
    with pytest.raises(error, match=words):
        await either.call(method, *args, **options)
    assert script.requests == []


TIMEOUTS = [
    pytest.param(None, 15.0, 20.0, id="the client's own"),
    pytest.param(5.0, 1.0, 5.0, id="the call's own"),
    pytest.param(math.inf, 1e9, math.inf, id="no limit"),
]


@pytest.mark.parametrize(("timeout_s", "least", "most"), TIMEOUTS)
async def test_the_deadline_arrives(
    either: EitherClient, script: Script, timeout_s: float | None, least: float, most: float
) -> None:
    await either.call("list_models", timeout_s=timeout_s)
    await either.stream("a", timeout_s=timeout_s)
    # gRPC rounds deadlines a little.
    assert all(least <= (math.inf if left is None else left) <= most + 1 for left in script.timeouts_s)


def _public(kind: type) -> dict[str, Any]:
    return {name: member for name, member in vars(kind).items() if not name.startswith("_")}


def test_both_clients_have_the_same_methods() -> None:
    sync, aio = _public(Client), _public(AioClient)
    assert sync.keys() == aio.keys()
    for name, method in sync.items():
        twin = aio[name]
        assert inspect.signature(method).parameters == inspect.signature(twin).parameters, name
        assert inspect.getdoc(method) == inspect.getdoc(twin), name


def test_methods_look_as_if_written_by_hand() -> None:
    method = Client.classify_text
    assert (method.__name__, str(inspect.signature(method)).rpartition(".")[2]) == (
        "classify_text",
        "ClassifyTextReply",
    )
    with connect("x:1") as client:
        assert list(inspect.signature(client.embed_text).parameters)[:2] == ["inputs", "model"]
    returned = [inspect.signature(kind.stream_complete_chat).return_annotation for kind in (Client, AioClient)]
    assert list(map(str, returned)) == [str(Stream[StreamCompleteChatReply]), str(AioStream[StreamCompleteChatReply])]
    assert inspect.iscoroutinefunction(AioClient.classify_image)


def test_every_rpc_has_a_method() -> None:
    served = {f"/{service.full_name}/{rpc.name}" for service in SERVICES.values() for rpc in service.methods}
    assert {call.path for call in vars(client_calls).values() if isinstance(call, client_calls.Call)} == served
    for call in vars(client_calls).values():
        if isinstance(call, client_calls.Call):
            assert getattr(Client, call.name).__doc__ == call.doc
            assert call.doc
