"""Recordings and images: what is heard and seen, with times where MLflow gives them."""

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np

from savor.client import Client, Pcm
from tests.parity.asked import Params, Predict
from tests.parity.label_doors import labels, rows_of_labels


def recognize(client: Client, model: str, recordings: Any, params: Params) -> Any:
    results = client.recognize_speech(recordings, model=model, parameters=params).results
    return [speech(result.text, [(c.text, (c.start_s, c.end_s)) for c in result.chunks]) for result in results]


def recognize_text(client: Client, model: str, recordings: Any, params: Params) -> Any:
    # B8: MLflow leaves the times of segments out.
    results = client.recognize_speech(recordings, model=model, parameters=params).results
    return [result.text.strip() for result in results]


def speech(text: str, chunks: Sequence[tuple[str, Sequence[float | None]]]) -> Any:
    timed = [(piece, *(None if time is None else float(time) for time in times)) for piece, times in chunks]
    return (text, timed) if timed else text.strip()


def transcripts(predict: Predict, recordings: Any) -> Any:
    answer = predict(recordings)
    if not answer[0].startswith(('{"', '[{"')):
        return answer
    # B8: word and character times come as one text of JSON for all recordings.
    told = json.loads(answer[0])
    results = told if isinstance(told, list) else [told]
    return [speech(each["text"], [(c["text"], c["timestamp"]) for c in each["chunks"]]) for each in results]


def each_text(predict: Predict, recordings: Any) -> Any:
    # B8: of several recordings the texts of segments come in between.
    return [text for recording in recordings for text in predict([recording])]


def pcm(recordings: Sequence[np.ndarray]) -> list[Pcm]:
    return [Pcm(samples.astype("<f4").tobytes(), 16_000, "f32le") for samples in recordings]


def recognize_samples(client: Client, model: str, recordings: Sequence[np.ndarray], params: Params) -> Any:
    return recognize(client, model, pcm(recordings), params)


def one_array(predict: Predict, recordings: Sequence[np.ndarray]) -> Any:
    return predict(recordings[0])


def classify_audio(client: Client, model: str, recordings: Any, params: Params) -> Any:
    return labels(client.classify_audio(recordings, model=model, parameters=params).results)


def classify_samples(client: Client, model: str, recordings: Sequence[np.ndarray], params: Params) -> Any:
    return classify_audio(client, model, pcm(recordings), params)


def audio_labels(predict: Predict, recordings: Any) -> Any:
    return audio_rows(predict(recordings))


def array_labels(predict: Predict, recordings: Sequence[np.ndarray]) -> Any:
    return audio_rows(predict(recordings[0]))


def audio_rows(frame: Any) -> Any:
    # B12: the rows are the labels of one recording, or recordings with a cell for each label.
    rows = rows_of_labels(frame)
    return [[label for row in rows for label in row]] if "label" in frame else rows


def classify_image(client: Client, model: str, images: Sequence[bytes], params: Params) -> Any:
    return labels(client.classify_image(images, model=model, parameters=params).results)


def image_rows(images: Sequence[bytes]) -> list[Any]:
    return [b64encode(image).decode() for image in images]


def image_labels(predict: Predict, images: Sequence[bytes]) -> Any:
    return rows_of_labels(predict(image_rows(images)))
