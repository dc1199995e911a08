"""ExtractFeatures against mlflow.pyfunc, and EmbedText against sentence-transformers' rules written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.weights import fetch
from savor.client import Client, connect
from tests import tiny_models
from tests.parity.oracle import pyfunc

MODELS = ("encoder", "encoder-with-template")
TEXTS = ["a", "a longer text with more tokens than the first", "", "{prompt} and {braces}", "日本語"]


@pytest.fixture(scope="module")
def client(serving):
    with connect(serving(*MODELS).target) as connected:
        yield connected


@pytest.mark.parametrize("model", MODELS)
def test_every_input_is_answered(client: Client, model: str) -> None:
    """B4: MLflow answers the first input only; the typed door answers each as MLflow answers it alone."""
    answered = client.extract_features(TEXTS, model=model).results
    for text, result in zip(TEXTS, answered, strict=True):
        np.testing.assert_allclose(result.features.to_numpy(), pyfunc(model).predict(text), atol=1e-5)
    assert pyfunc(model).predict(TEXTS).shape == answered[0].features.shape


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=14))
def test_any_text(client: Client, text: str) -> None:
    answered = client.extract_features(text, model="encoder").results[0].features.to_numpy()
    np.testing.assert_allclose(answered, pyfunc("encoder").predict(text), atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [("mean", lambda f: f.mean(0)), ("cls", lambda f: f[0]), ("last", lambda f: f[-1])],
    ids=["mean", "cls", "last"],
)
@pytest.mark.parametrize("normalize", [False, True], ids=["as-it-is", "normalized"])
def test_pooling(client: Client, pooling, pool, normalize: bool) -> None:
    vectors = client.embed_text(TEXTS, model="encoder", pooling=pooling, normalize=normalize).results
    for text, result in zip(TEXTS, vectors, strict=True):
        expected = pool(pyfunc("encoder").predict(text))
        expected = expected / np.linalg.norm(expected) if normalize else expected
        np.testing.assert_allclose(result.values, expected, atol=1e-5)
        assert result.token_count == len(pyfunc("encoder").predict(text))


@pytest.fixture(scope="module")
def minilm(tmp_path_factory, serving):
    """all-MiniLM-L6-v2 as a folder that carries its sentence-transformers settings."""
    folder = tmp_path_factory.mktemp("models") / "minilm"
    tiny_models.save(str(fetch("all-minilm-l6-v2")), folder, task="feature-extraction")
    with connect(serving(str(folder)).target) as connected:
        yield str(folder), connected


def test_sentence_transformers_settings_are_followed(minilm) -> None:
    """Mean pooling and unit length, as the model's modules.json says; long texts are cut at its max_seq_length."""
    folder, client = minilm
    sentences = ["A dog runs through the park.", "A puppy is running on the grass.", "Stock prices fell on Monday."]
    vectors = np.array([result.values for result in client.embed_text(sentences).results])
    for sentence, vector in zip(sentences, vectors, strict=True):
        mean = pyfunc(folder).predict(sentence).mean(0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)
    similar, unrelated = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert similar > 0.4 > 0.2 > unrelated
    assert client.embed_text("word " * 1000).results[0].token_count == 256


def test_a_template_is_part_of_what_is_embedded(client: Client) -> None:
    templated = client.extract_features("hi", model="encoder-with-template").results[0].features.to_numpy()
    written_out = client.extract_features("query: hi", model="encoder").results[0].features.to_numpy()
    np.testing.assert_allclose(templated, written_out, atol=1e-5)
