"""Requests that can't be answered: each says what is wrong and where, and leaves the server as it was."""

import io
import random
import re
import struct
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest

from savor.codec import to_param_value
from savor.v1 import common_pb2
from savor.v1.feature_extraction_pb2 import EmbedTextRequest, ExtractFeaturesRequest
from savor.v1.model_pb2 import GetModelRequest
from savor.v1.speech_recognition_pb2 import (
    AudioInput,
    PcmAudio,
    PcmEncoding,
    RecognizeSpeechRequest,
    SpeechRecognitionParameters,
)
from savor.v1.text_classification_pb2 import ClassifyTextRequest, TextClassificationInput, TextClassificationParameters
from savor.v1.text_generation_pb2 import GenerateTextRequest, StreamGenerateTextRequest, TextGenerationParameters
from tests.e2e.stubs import Failure, Stubs, failure, stubs
from tests.serving import Serving

# What must not reach a caller: tracebacks, and where files lie on the server.
LEAKS = re.compile(r"Traceback|File \"|site-packages|\.py\b|(?<![\w.:/])/(?:work|home|root|usr|tmp|opt|etc)/")

Call = Callable[[Stubs], Any]


@pytest.fixture(scope="module")
def stub(families: Serving) -> Iterator[Stubs]:
    with stubs(families.target) as made:
        yield made


def classify(text: str = "A good day.", *, model: str = "classifier", **fields: Any) -> Call:
    request = ClassifyTextRequest(model=model, inputs=[TextClassificationInput(text=text)])
    request.MergeFrom(ClassifyTextRequest(**fields))
    return lambda stub: stub.classification.ClassifyText(request, timeout=60)


def generate(text: str = "A good day", *, model: str = "generator", **fields: Any) -> Call:
    request = GenerateTextRequest(model=model, inputs=[text], **fields)
    return lambda stub: stub.generation.GenerateText(request, timeout=60)


def generate_with(**parameters: Any) -> Call:
    """Typed parameters."""
    return generate(parameters=TextGenerationParameters(**parameters))


def generate_extra(**extra: object) -> Call:
    """Parameters by name, so that they may have any type."""
    return generate_with(extra={key: to_param_value(value) for key, value in extra.items()})


def stream(**fields: Any) -> Call:
    request = StreamGenerateTextRequest(model="generator", inputs=["A good day"], **fields)
    return lambda stub: list(stub.generation.StreamGenerateText(request, timeout=60))


def embed(text: str = "A good day.", *, model: str = "encoder", **fields: Any) -> Call:
    request = EmbedTextRequest(model=model, inputs=[text], **fields)
    return lambda stub: stub.features.EmbedText(request, timeout=60)


def recognize(**source: Any) -> Call:
    request = RecognizeSpeechRequest(model="ctc", inputs=[AudioInput(**source)])
    return lambda stub: stub.speech.RecognizeSpeech(request, timeout=60)


def pcm(samples: bytes, **fields: Any) -> Call:
    given = {"encoding": PcmEncoding.PCM_ENCODING_F32LE, "sample_rate_hz": 16_000, **fields}
    return recognize(pcm=PcmAudio(samples=samples, **given))


def wav(seconds: float = 0.5) -> bytes:
    tone = np.sin(np.arange(int(16_000 * seconds)) / 10)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tone * 8000).astype("<i2").tobytes())
    return buffer.getvalue()


def noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(20_000)


SILENCE = np.zeros(8000, "<f4").tobytes()
NOT_A_NUMBER = np.full(8000, np.nan, "<f4").tobytes()
INFINITE = np.full(8000, np.inf, "<f4").tobytes()
DEEP = to_param_value([[[[[[[[1]]]]]]]])


@dataclass(frozen=True)
class Case:
    """A call and what it must be told: its status code, the reason in ErrorInfo, the fields in BadRequest."""

    id: str
    call: Call
    fields: tuple[str, ...] = ()
    code: str = "INVALID_ARGUMENT"
    reason: str = "INVALID_INPUT"


def unsupported(id: str, call: Call, *fields: str) -> Case:
    return Case(id, call, fields, reason="UNSUPPORTED_PARAMETER")


CASES = [
    # The model.
    Case("no-model-named", classify(model=""), ("model",)),
    Case("unknown-model", classify(model="nobody"), code="NOT_FOUND", reason="UNKNOWN_MODEL"),
    Case("unknown-alias", classify(model="classifier@champion"), code="NOT_FOUND", reason="UNKNOWN_MODEL"),
    Case("empty-alias", classify(model="classifier@"), code="NOT_FOUND", reason="UNKNOWN_MODEL"),
    Case("only-an-alias", classify(model="@1"), code="NOT_FOUND", reason="UNKNOWN_MODEL"),
    Case("model-is-a-path", classify(model="../../etc/passwd"), code="NOT_FOUND", reason="UNKNOWN_MODEL"),
    Case("wrong-family", classify(model="generator"), code="FAILED_PRECONDITION", reason="WRONG_FAMILY"),
    Case(
        "wrong-family-stream", lambda stub: list(_stream_of("encoder", stub)), (), "FAILED_PRECONDITION", "WRONG_FAMILY"
    ),
    Case(
        "get-unknown-model",
        lambda stub: stub.models.GetModel(GetModelRequest(model="nobody"), timeout=60),
        code="NOT_FOUND",
        reason="UNKNOWN_MODEL",
    ),
    # The inputs.
    Case(
        "no-inputs",
        lambda stub: stub.classification.ClassifyText(ClassifyTextRequest(model="classifier"), timeout=60),
        ("inputs",),
    ),
    Case(
        "no-prompts",
        lambda stub: stub.generation.GenerateText(GenerateTextRequest(model="generator"), timeout=60),
        ("inputs",),
    ),
    Case(
        "no-recordings",
        lambda stub: stub.speech.RecognizeSpeech(RecognizeSpeechRequest(model="ctc"), timeout=60),
        ("inputs",),
    ),
    Case(
        "too-many-inputs",
        lambda stub: stub.features.EmbedText(EmbedTextRequest(model="encoder", inputs=["a"] * 1025), timeout=60),
        ("inputs",),
    ),
    Case("ten-megabytes-of-text", classify("word " * 2_000_000), ("inputs[0].text",)),
    Case("ten-megabytes-of-prompt", generate("word " * 2_000_000), ("inputs[0]",)),
    Case("text-of-too-many-tokens", classify("word " * 500), ("inputs[0].text",)),
    Case("prompt-of-too-many-tokens", generate("word " * 500), ("inputs[0]",)),
    Case("embedding-of-too-many-tokens", embed("word " * 500), ("inputs[0]",)),
    Case(
        "second-of-three-too-long",
        lambda stub: stub.features.ExtractFeatures(
            ExtractFeaturesRequest(model="encoder", inputs=["a", "word " * 500, "b"]), timeout=60
        ),
        ("inputs[1]",),
    ),
    # Recordings.
    Case("pcm-not-a-number", pcm(NOT_A_NUMBER), ("inputs[0].pcm.samples",)),
    Case("pcm-infinite", pcm(INFINITE), ("inputs[0].pcm.samples",)),
    Case("pcm-not-a-number-resampled", pcm(NOT_A_NUMBER, sample_rate_hz=8000), ("inputs[0].pcm.samples",)),
    Case(
        "pcm-of-odd-length",
        pcm(SILENCE[:-1], encoding=PcmEncoding.PCM_ENCODING_S16LE),
        ("inputs[0].pcm.samples",),
    ),
    Case("pcm-not-a-multiple-of-its-channels", pcm(SILENCE[:-4], channels=2), ("inputs[0].pcm.samples",)),
    Case("pcm-without-encoding", pcm(SILENCE, encoding=None), ("inputs[0].pcm.encoding",)),
    Case("pcm-of-unknown-encoding", pcm(SILENCE, encoding=99), ("inputs[0].pcm.encoding",)),
    Case("pcm-rate-of-0", pcm(SILENCE, sample_rate_hz=0), ("inputs[0].pcm.sample_rate_hz",)),
    Case("pcm-negative-rate", pcm(SILENCE, sample_rate_hz=-16_000), ("inputs[0].pcm.sample_rate_hz",)),
    Case("pcm-no-channels", pcm(SILENCE, channels=0), ("inputs[0].pcm.channels",)),
    Case("pcm-without-samples", pcm(b""), ("inputs[0].pcm.samples",)),
    Case("no-source", recognize(), ("inputs[0]",)),
    Case("empty-recording", recognize(content=b""), ("inputs[0].content",)),
    Case("random-bytes", recognize(content=noise(1)), ("inputs[0].content",)),
    Case("wav-header-only", recognize(content=wav()[:44]), ("inputs[0].content",)),
    Case("wav-of-half-its-samples", recognize(content=wav()[: len(wav()) // 2]), ("inputs[0].content",)),
    Case("wav-cut-in-its-header", recognize(content=wav()[:30]), ("inputs[0].content",)),
    Case("text-as-recording", recognize(content=b"Call me Ishmael.\n" * 100), ("inputs[0].content",)),
    Case(
        "playlist-as-recording", recognize(content=b"ffconcat version 1.0\nfile /etc/passwd\n"), ("inputs[0].content",)
    ),
    Case("hls-as-recording", recognize(content=b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), ("inputs[0].content",)),
    Case("uri-not-allowed", recognize(uri="https://127.0.0.1:1/a.wav"), ("inputs[0].uri",)),
    Case("file-uri-not-allowed", recognize(uri="file:///etc/passwd"), ("inputs[0].uri",)),
    # Parameters under the model's signature.
    Case("double-into-long", generate_extra(max_new_tokens=2.5), ("parameters.max_new_tokens",)),
    Case("string-into-double", generate_extra(temperature="hot"), ("parameters.temperature",)),
    Case("list-into-long", generate_extra(num_beams=[1, 2]), ("parameters.num_beams",)),
    Case("nested-lists-into-long", generate_with(extra={"num_beams": DEEP}), ("parameters.num_beams",)),
    Case("struct-into-boolean", generate_extra(do_sample={"a": 1}), ("parameters.do_sample",)),
    Case(
        "several-of-wrong-type",
        generate_extra(max_new_tokens="8", do_sample=3.5),
        ("parameters.do_sample", "parameters.max_new_tokens"),
    ),
    Case(
        "set-twice",
        generate_with(max_new_tokens=3, extra={"max_new_tokens": to_param_value(4)}),
        ("parameters.extra.max_new_tokens",),
    ),
    Case("parameter-without-a-kind", generate_with(extra={"x": common_pb2.ParamValue()}), ("parameters.extra.x",)),
    Case(
        "parameter-without-a-kind-in-a-list",
        generate_with(extra={"x": common_pb2.ParamValue(list_value={"values": [common_pb2.ParamValue()]})}),
        ("parameters.extra.x",),
    ),
    Case("endless-generation", generate_with(max_new_tokens=10**12), ("parameters.max_new_tokens",)),
    Case("no-new-tokens", generate_with(max_new_tokens=0), ("parameters.max_new_tokens",)),
    Case("negative-tokens", generate_with(max_new_tokens=-1), ("parameters.max_new_tokens",)),
    Case("a-million-beams", generate_with(num_beams=10**6), ("parameters.num_beams",)),
    Case(
        "a-million-sequences",
        generate_with(do_sample=True, num_return_sequences=10**6),
        ("parameters.num_return_sequences",),
    ),
    Case("temperature-of-0", generate_with(do_sample=True, temperature=0.0), ("parameters.temperature",)),
    Case(
        "temperature-not-a-number", generate_with(do_sample=True, temperature=float("nan")), ("parameters.temperature",)
    ),
    Case("temperature-next-to-0", generate_with(do_sample=True, temperature=1e-320), ("parameters.temperature",)),
    Case("stream-of-a-million-beams", stream(parameters={"num_beams": 10**6}), ("parameters.num_beams",)),
    Case("endless-stream", stream(parameters={"max_new_tokens": 10**12}), ("parameters.max_new_tokens",)),
    Case(
        "unknown-function",
        classify(
            model="classifier-with-params", parameters=TextClassificationParameters(function_to_apply="__import__")
        ),
        ("parameters.function_to_apply",),
    ),
    # What shapes the reply.
    Case("empty-stop", generate(stop=["x", ""]), ("stop[1]",)),
    Case("seventeen-stops", generate(stop=[f"stop {index}" for index in range(17)]), ("stop",)),
    Case("unknown-pooling", embed(pooling=17), ("pooling",)),
    Case("negative-pooling", embed(pooling=-1), ("pooling",)),
    Case("negative-top-k", classify(top_k=-1), ("top_k",)),
    Case("least-top-k", classify(top_k=-(2**31)), ("top_k",)),
]


def _stream_of(model: str, stub: Stubs) -> Any:
    return stub.generation.StreamGenerateText(StreamGenerateTextRequest(model=model, inputs=["a"]), timeout=60)


def refused(call: Call, stub: Stubs) -> Failure:
    with pytest.raises(grpc.RpcError) as caught:
        call(stub)
    found = failure(caught.value)
    assert not LEAKS.search(found.text), found.text
    return found


def works(stub: Stubs) -> bool:
    """Whether each family still answers a good request."""
    good = (classify(), embed(), generate_with(max_new_tokens=2), recognize(content=wav()))
    return all(len(call(stub).results) == 1 for call in good)


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_malformed_request_is_told_what_is_wrong_and_harms_nobody(stub: Stubs, case: Case) -> None:
    found = refused(case.call, stub)
    assert (found.code, found.reason) == (case.code, case.reason), found
    assert sorted(found.fields) == sorted(case.fields), found
    # A sentence for people, not the name of an exception.
    assert " " in found.message
    assert works(stub)


@pytest.fixture(scope="module")
def open_stub(serving: Callable[..., Serving]) -> Iterator[Stubs]:
    """A server that lets parameters through which its models' signatures do not take."""
    server = serving("classifier", "encoder", "generator", "ctc", unknown_parameters="allow")
    with stubs(server.target) as made:
        yield made


def classify_extra(**extra: object) -> Call:
    given = {key: to_param_value(value) for key, value in extra.items()}
    return classify(parameters=TextClassificationParameters(extra=given))


def recognize_with(**parameters: Any) -> Call:
    given = SpeechRecognitionParameters(**parameters)
    request = RecognizeSpeechRequest(model="ctc", inputs=[AudioInput(content=wav())], parameters=given)
    return lambda stub: stub.speech.RecognizeSpeech(request, timeout=60)


ODD = [
    pytest.param(generate_with(do_sample=True, repetition_penalty=1e-300), id="repetition-penalty-next-to-0"),
    pytest.param(generate_with(no_repeat_ngram_size=10**12), id="no-repeat-of-a-trillion"),
    pytest.param(generate_with(do_sample=True, top_k=2**62), id="top-k-of-quintillions"),
    pytest.param(generate_with(min_new_tokens=10**12), id="min-new-tokens-of-a-trillion"),
    pytest.param(generate_extra(do_sample=True, typical_p=1e-300), id="typical-p-next-to-0"),
    pytest.param(generate_extra(num_beams=2, length_penalty=1e300), id="length-penalty-out-of-range"),
    pytest.param(generate_extra(max_length=10**12), id="max-length-of-a-trillion"),
    pytest.param(generate_extra(eos_token_id="x"), id="end-token-is-a-text"),
    pytest.param(generate_extra(eos_token_id=[]), id="no-end-tokens"),
    pytest.param(generate_extra(eos_token_id=10**9), id="end-token-out-of-range"),
    pytest.param(generate_extra(forced_eos_token_id=10**6), id="forced-token-out-of-range"),
    pytest.param(generate_extra(suppress_tokens=list(range(600))), id="every-token-suppressed"),
    pytest.param(generate_extra(bad_words_ids=[[10**6]]), id="bad-word-out-of-range"),
    pytest.param(generate_extra(guidance_scale="a"), id="guidance-is-a-text"),
    pytest.param(generate_extra(max_time="x"), id="time-is-a-text"),
    pytest.param(generate_extra(prefill_chunk_size=0), id="chunks-of-0"),
    pytest.param(generate_extra(watermarking_config={"a": 1}), id="a-config-of-its-own"),
    pytest.param(generate_extra(prompt_lookup_num_tokens=3), id="prompt-lookup"),
    pytest.param(generate_extra(validate=True), id="the-name-of-a-method"),
    pytest.param(generate_extra(trust_remote_code=True), id="remote-code"),
    pytest.param(generate_extra(custom_generate="nobody/none"), id="code-from-the-hub"),
    pytest.param(generate_extra(stop_sequence=3), id="stop-sequence-is-a-number"),
    pytest.param(classify_extra(max_length=-1, truncation=True), id="negative-length"),
    pytest.param(classify_extra(top_k="a"), id="top-k-is-a-text"),
    pytest.param(classify_extra(top_k=2.5), id="top-k-is-a-fraction"),
    pytest.param(classify_extra(text_pair=["x"]), id="a-pair-for-the-tokenizer"),
    pytest.param(
        classify_extra(return_overflowing_tokens=True, truncation=True, max_length=4), id="overflowing-tokens"
    ),
    pytest.param(classify_extra(return_offsets_mapping=True), id="offsets"),
    pytest.param(classify_extra(is_split_into_words=True), id="split-into-words"),
    pytest.param(recognize_with(chunk_length_s=float("inf")), id="endless-chunks"),
    pytest.param(recognize_with(chunk_length_s=1e-9), id="chunks-of-nothing"),
    pytest.param(recognize_with(extra={"ignore_warning": to_param_value(True)}), id="set-by-the-server-itself"),
    # Last: a model that it breaks stays broken.
    pytest.param(generate_extra(assistant_early_exit=1), id="early-exit"),
]


@pytest.mark.filterwarnings("ignore:Unfeasible length constraints")
@pytest.mark.parametrize("call", ODD)
def test_an_odd_parameter_is_answered_or_refused_but_never_fails_the_model(open_stub: Stubs, call: Call) -> None:
    try:
        call(open_stub)
    except grpc.RpcError as error:
        found = failure(error)
        assert found.code == "INVALID_ARGUMENT", found
        assert not LEAKS.search(found.text), found.text
    assert works(open_stub)


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("seed", range(2, 12), ids=lambda seed: f"seed-{seed}")
def test_random_bytes_behind_a_known_header_are_no_failure_of_the_server(stub: Stubs, seed: int) -> None:
    headers = (
        b"RIFF\x00\x50\x00\x00WAVE",
        b"OggS\x00\x02",
        b"fLaC\x00\x00\x00\x22",
        b"ID3\x04\x00",
        b"\xff\xfb\x90\x64",
    )
    for header in headers:
        try:
            assert len(recognize(content=header + noise(seed))(stub).results) == 1
        except grpc.RpcError as error:
            found = failure(error)
            assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_INPUT"), found
            assert not LEAKS.search(found.text), found.text
    assert works(stub)


def test_a_wav_header_that_promises_gigabytes_takes_no_memory_for_them(stub: Stubs) -> None:
    content = bytearray(wav())
    struct.pack_into("<I", content, 40, 0x7FFFFFFF)
    found = refused(recognize(content=bytes(content)), stub)
    assert (found.code, found.fields) == ("INVALID_ARGUMENT", ("inputs[0].content",))


@pytest.mark.parametrize(
    "path",
    ["savor.v1.TextClassificationService/ClassifyText", "savor.v1.TextGenerationService/StreamGenerateText"],
    ids=["unary", "stream"],
)
def test_bytes_that_are_no_message_leave_the_server_as_it_was(stub: Stubs, path: str) -> None:
    method = stub.channel.unary_stream(f"/{path}", lambda data: data, lambda data: data)
    found = refused(lambda _: list(method(b"\xff\xff\xff\xff not a message", timeout=60)), stub)
    assert found.code in {"INVALID_ARGUMENT", "INTERNAL"}
    assert works(stub)


def test_an_unknown_method_is_unimplemented(stub: Stubs) -> None:
    method = stub.channel.unary_unary("/savor.v1.TextClassificationService/Guess", bytes, bytes)
    assert refused(lambda _: method(b"", timeout=60), stub).code == "UNIMPLEMENTED"


def test_a_request_larger_than_the_server_takes_is_refused_before_it_is_read(stub: Stubs) -> None:
    found = refused(recognize(content=bytes(65 * 2**20)), stub)
    assert found.code == "RESOURCE_EXHAUSTED"
    assert works(stub)
