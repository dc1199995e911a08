"""RecognizeSpeech against mlflow.pyfunc: same text from the same bytes, on a tiny CTC model and on a real Whisper."""

import io
import json

import numpy as np
import pytest
import soundfile
import transformers

from demo.weights import fetch
from savor.client import Pcm, connect
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
