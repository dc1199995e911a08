"""RecognizeSpeech against mlflow.pyfunc: same text from the same bytes, on a tiny CTC model and on a real Whisper."""

import base64
import io
import json

import numpy as np
import pytest
import soundfile
import transformers
from mlflow.models import infer_signature

from demo.weights import fetch
from savor.client import InvalidArgument, Pcm, connect
from tests import tiny_models, tiny_pipelines
from tests.parity.oracle import pyfunc, read, transcripts

SPOKEN = "Unless to be rather cold-hearted and rather selfish is to be ill-disposed."


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return soundfile.read(io.BytesIO(read("demo/speech.flac")), dtype="float32")[0]


def encoded(samples: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, format=kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def ctc(serving):
    with connect(serving("ctc").target) as connected:
        yield connected


@pytest.fixture(scope="module")
def whisper(tmp_path_factory, serving):
    """Whisper tiny.en, saved from a pipeline as users do; greedy, to be quick."""
    folder = tmp_path_factory.mktemp("models") / "whisper"
    source = str(fetch("whisper-tiny-en"))
    pipeline = transformers.pipeline("automatic-speech-recognition", model=source)
    tiny_models.save(pipeline, folder, model_config={"num_beams": 1, "return_timestamps": False})
    with connect(serving(str(folder)).target) as connected:
        yield str(folder), connected


# Not MP3: from a pipe the ffmpeg program can't tell where an MP3's padding begins and hears it as silence at the end.
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_containers_on_ctc(ctc, speech: np.ndarray, kind: str) -> None:
    content = encoded(speech[:16_000], kind)
    assert transcripts(ctc.recognize_speech(content)) == pyfunc("ctc").predict(content)


def test_pcm_on_ctc_is_the_same_recording(ctc, speech: np.ndarray) -> None:
    samples = speech[:8_000]
    as_file = transcripts(ctc.recognize_speech(encoded(samples, "FLAC")))
    as_s16 = Pcm((samples * 32768).round().astype("<i2").tobytes(), 16_000, "s16le")
    assert transcripts(ctc.recognize_speech(as_s16)) == as_file


def test_a_batch_of_recordings_in_order(ctc, speech: np.ndarray) -> None:
    contents = [encoded(part, "WAV") for part in np.split(speech[:24_000], 3)]
    assert transcripts(ctc.recognize_speech(contents)) == pyfunc("ctc").predict(contents)


@pytest.mark.parametrize("granularity", ["word", "character"])
def test_ctc_times_are_those_of_the_pipeline(ctc, speech: np.ndarray, granularity: str) -> None:
    content = encoded(speech[:8_000], "WAV")
    pipeline = tiny_pipelines.ctc_recognizer()
    expected = pipeline(speech[:8_000].copy(), return_timestamps={"word": "word", "character": "char"}[granularity])
    chunks = ctc.recognize_speech(content, timestamps=granularity).results[0].chunks
    assert [chunk.text for chunk in chunks] == [chunk["text"] for chunk in expected["chunks"]]
    ends = [(chunk.start_s, chunk.end_s) for chunk in chunks]
    assert ends == [pytest.approx(chunk["timestamp"]) for chunk in expected["chunks"]]


def test_b18_base64_is_no_recording(ctc, speech: np.ndarray) -> None:
    """B18: MLflow decodes bytes that happen to be base64; for the typed door bytes are bytes."""
    content = encoded(speech[:8_000], "WAV")
    text = base64.b64encode(content)
    assert pyfunc("ctc").predict(text) == pyfunc("ctc").predict(content)
    with pytest.raises(InvalidArgument, match=r"inputs\[0\]\.content"):
        ctc.recognize_speech(text)


SPOKEN_IN = {"language": "de", "task": "transcribe"}


@pytest.fixture(scope="module", params=["parameters of their own", "generate_kwargs"])
def polyglot(request, tmp_path_factory, serving):
    """The tiny multilingual Whisper; its signature has a language and a task, as they are or within generate_kwargs."""
    flat = request.param != "generate_kwargs"
    folder = tmp_path_factory.mktemp("models") / "polyglot"
    params = SPOKEN_IN if flat else {"generate_kwargs": SPOKEN_IN}
    tiny_models.save(tiny_pipelines.whisper(), folder, signature=infer_signature(b"a", None, params))
    with connect(serving(str(folder)).target) as connected:
        yield str(folder), connected, (lambda **chosen: chosen if flat else {"generate_kwargs": chosen})


def test_a_language_and_a_task_are_those_of_mlflow(polyglot, speech: np.ndarray) -> None:
    folder, client, parameters = polyglot
    content, heard = encoded(speech[:16_000], "WAV"), []
    for chosen in (SPOKEN_IN, {"language": "french", "task": "translate"}):
        reply = client.recognize_speech(content, parameters=parameters(**chosen))
        assert transcripts(reply) == pyfunc(folder).predict(content, params=parameters(**chosen))
        assert not reply.warnings
        heard.append(transcripts(reply))
    assert transcripts(client.recognize_speech(content)) == heard[0] != heard[1]


FOREIGN = [
    pytest.param({"language": "klingon", "task": "translate"}, "parameters.language: 'klingon'", id="no language"),
    pytest.param({"language": "spanish", "task": "translate"}, "english, german, french", id="not the model's"),
    pytest.param({"language": "<de>", "task": "translate"}, "parameters.language: '<de>'", id="half a token"),
    pytest.param({"language": "de", "task": "sing"}, "parameters.task: is 'sing'", id="no task"),
]


@pytest.mark.parametrize(("chosen", "sentence"), FOREIGN)
def test_a_language_that_the_model_does_not_know_is_named(
    polyglot, speech: np.ndarray, chosen: dict[str, str], sentence: str
) -> None:
    _, client, parameters = polyglot
    with pytest.raises(InvalidArgument, match=sentence):
        client.recognize_speech(encoded(speech[:8_000], "WAV"), parameters=parameters(**chosen))


def test_a_language_outside_the_signature_is_left_out_with_a_warning(serving, speech: np.ndarray) -> None:
    content = encoded(speech[:8_000], "WAV")
    with connect(serving("whisper").target) as client:
        reply, plain = (client.recognize_speech(content, parameters=chosen) for chosen in ({"language": "fr"}, None))
    assert "parameters.language was ignored" in reply.warnings[0]
    assert transcripts(reply) == transcripts(plain)


@pytest.mark.parametrize(
    "saved",
    [{"return_language": True}, {"return_language": True, "return_timestamps": True}],
    ids=["without times", "with times"],
)
def test_the_language_that_is_always_none_is_nobodys_failure(saved, tmp_path, serving, speech: np.ndarray) -> None:
    folder = tmp_path / "whisper-language"
    tiny_models.save(tiny_pipelines.whisper(), folder, model_config=saved)
    with connect(serving(str(folder)).target) as client:
        [result] = client.recognize_speech(encoded(speech[:8_000], "WAV")).results
    assert bool(result.chunks) == ("return_timestamps" in saved)


@pytest.mark.slow
def test_whisper_writes_down_real_speech(whisper) -> None:
    folder, client = whisper
    content = read("demo/speech.flac")
    reply = client.recognize_speech(content)
    assert transcripts(reply) == pyfunc(folder).predict(content) == [SPOKEN]
    assert reply.results[0].audio_s == pytest.approx(5.3, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("granularity", ["segment", "word"])
def test_whisper_times(whisper, granularity: str) -> None:
    """B8: MLflow gives a JSON text for words and drops segments; the typed door gives chunks with times."""
    _, client = whisper
    result = client.recognize_speech(read("demo/speech.flac"), timestamps=granularity).results[0]
    assert "".join(chunk.text for chunk in result.chunks).strip() == result.text.strip()
    assert result.text.strip().endswith("and rather selfish is to be ill-disposed.")
    starts = [chunk.start_s for chunk in result.chunks]
    assert starts == sorted(starts)
    assert starts[0] >= 0
    assert result.chunks[-1].end_s == pytest.approx(5.0, abs=0.5)


@pytest.mark.slow
def test_whisper_words_are_those_of_mlflow(whisper, tmp_path_factory, serving) -> None:
    folder = tmp_path_factory.mktemp("models") / "whisper-words"
    pipeline = transformers.pipeline("automatic-speech-recognition", model=str(fetch("whisper-tiny-en")))
    tiny_models.save(pipeline, folder, model_config={"num_beams": 1, "return_timestamps": "word"})
    content = read("demo/speech.flac")
    expected = json.loads(pyfunc(str(folder)).predict(content)[0])["chunks"]
    with connect(serving(str(folder)).target) as client:
        chunks = client.recognize_speech(content).results[0].chunks
    assert [(c.text, [c.start_s, c.end_s]) for c in chunks] == [(c["text"], c["timestamp"]) for c in expected]


@pytest.mark.slow
def test_whisper_on_more_than_thirty_seconds(whisper) -> None:
    """Transformers refuses such a recording without timestamps; the typed door predicts them and leaves them out."""
    _, client = whisper
    result = client.recognize_speech(read("demo/speech-long.flac"), timeout_s=120).results[0]
    assert "John Dashwood had then leisure to consider" in result.text
    assert "Go somewhere and do something." in result.text
    assert result.chunks == ()
