"""What the methods for images and recordings, and MLflow's own door, put on the wire, sync and aio alike."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from savor.client import Pcm, Uri
from savor.v1 import audio_classification_pb2 as audio
from savor.v1 import image_classification_pb2 as images
from savor.v1 import pyfunc_pb2 as pyfunc
from tests.client.conftest import EitherClient
from tests.client.serving import Script

SENT: list[tuple[str, list[Any], dict[str, Any], type[Message], str]] = [
    (
        "classify_audio",
        [[b"RIFF", Uri("file:///a.wav"), Pcm(b"", 8000, "s16le")]],
        {"model": "m", "top_k": 0, "parameters": {"function_to_apply": "none"}},
        audio.ClassifyAudioRequest,
        'model: "m" inputs { content: "RIFF" } inputs { uri: "file:///a.wav" } inputs { pcm { encoding:'
        " PCM_ENCODING_S16LE sample_rate_hz: 8000 channels: 1 } }"
        ' top_k: 0 parameters { function_to_apply: "none" }',
    ),
    ("classify_image", [b"PNG"], {}, images.ClassifyImageRequest, 'inputs { content: "PNG" }'),
    (
        "classify_image",
        [[bytearray(b"PNG"), Uri("https://x/y")]],
        {"model": "m", "top_k": 3, "parameters": {"function_to_apply": "none"}},
        images.ClassifyImageRequest,
        'model: "m" inputs { content: "PNG" } inputs { uri: "https://x/y" } top_k: 3'
        ' parameters { function_to_apply: "none" }',
    ),
    (
        "predict",
        [{"inputs": ["a"]}],
        {"model": "m"},
        pyfunc.PredictRequest,
        'model: "m" json: "{\\"inputs\\": [\\"a\\"]}"',
    ),
    ("predict", ['{"inputs": "é"}'], {}, pyfunc.PredictRequest, 'json: "{\\"inputs\\": \\"é\\"}"'),
    ("predict", ["é".encode()], {}, pyfunc.PredictRequest, 'json: "é"'),
    ("predict", [], {"csv": "a,b\n1,2\n"}, pyfunc.PredictRequest, 'csv: "a,b\\n1,2\\n"'),
    ("predict", [], {"parquet": b"PAR1"}, pyfunc.PredictRequest, 'parquet: "PAR1"'),
]


@pytest.mark.parametrize(
    ("method", "args", "options", "kind", "expected"), SENT, ids=[f"{case[0]}-{i}" for i, case in enumerate(SENT)]
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
    await either.ask(method, *args, **options)
    assert script.requests == [text_format.Parse(expected, kind())]


async def test_files_are_read_here_and_sent(either: EitherClient, script: Script, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xef\xbb\xbfa,b\r\n")
    await either.ask("classify_image", file)
    await either.ask("classify_audio", [file])
    await either.ask("predict", csv=file)
    await either.ask("predict", parquet=file)
    sent: list[Any] = script.requests
    assert [sent[0].inputs[0].content, sent[1].inputs[0].content] == [file.read_bytes()] * 2
    assert (sent[2].csv, sent[3].parquet) == ("a,b\r\n", file.read_bytes())


REFUSED: list[tuple[str, list[Any], dict[str, Any], type[Exception], str]] = [
    ("classify_image", ["a.png"], {}, TypeError, r"inputs\[0\] must be bytes, a pathlib.Path or a Uri, not str"),
    ("classify_image", [[Pcm(b"", 8000, "s16le")]], {}, TypeError, r"inputs\[0\] must be bytes"),
    ("classify_image", [Path("/nowhere")], {}, FileNotFoundError, "nowhere"),
    ("classify_audio", [[None]], {}, TypeError, r"inputs\[0\] must be bytes"),
    ("predict", [], {}, ValueError, "give one of body, csv and parquet"),
    ("predict", [{}], {"csv": "a"}, ValueError, "give one of body, csv and parquet"),
    ("predict", [{"inputs": {1}}], {}, TypeError, "set is not JSON serializable"),
]


@pytest.mark.parametrize(
    ("method", "args", "options", "error", "words"), REFUSED, ids=[f"{case[0]}-{i}" for i, case in enumerate(REFUSED)]
)
async def test_what_no_request_can_hold_is_refused_before_it_is_sent(
    either: EitherClient, script: Script, method: str, args: list[Any], options: dict[str, Any], error: Any, words: str
) -> None:
    with pytest.raises(error, match=words):
        await either.ask(method, *args, **options)
    assert script.requests == []
