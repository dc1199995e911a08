"""The exact door's guards: what a request names is not opened, limits hold, and nothing is shared but the model."""

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM, pipeline

from savor.flavor import pyfunc, saved
from savor.flavor.artifact import Artifact
from savor.flavor.errors import InvalidInput
from savor.flavor.guarded import guarded
from savor.flavor.limits import Limits
from savor.flavor.load import LoadOptions, load
from savor.flavor.pyfunc import PredictRequest
from tests import tiny_models, tiny_pipelines
from tests.flavor.artifacts import artifact
from tests.parity import oracle
from tests.parity.test_pyfunc_door import noise, picture


def predict(loaded: Artifact, body: dict[str, Any]) -> dict[str, Any]:
    prepared = pyfunc.prepare(PredictRequest(json=json.dumps(body)), loaded)
    return json.loads(prepared.decode([item.run.call() for item in prepared.items]).json)


def refusal(loaded: Artifact, body: dict[str, Any]) -> str:
    with pytest.raises(InvalidInput) as caught:
        predict(loaded, body)
    return str(caught.value)


@pytest.fixture(scope="module")
def named(tmp_path_factory) -> Artifact:
    """A model of recordings whose signature takes texts, as for paths and addresses."""

    def take_texts(words: dict[str, Any]) -> None:
        words["signature"]["inputs"] = '[{"type": "string", "required": true}]'

    folder = tmp_path_factory.mktemp("models") / "named"
    tiny_models.edited(tiny_models.saved("ctc"), folder, take_texts)
    return load(saved.read(folder), LoadOptions())


@pytest.fixture
def visited() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(noise())

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", paths
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_path_is_refused_whether_or_not_it_exists(named: Artifact, tmp_path: Path) -> None:
    (tmp_path / "there.wav").write_bytes(noise())
    there, missing = (refusal(named, {"inputs": [str(tmp_path / name)]}) for name in ("there.wav", "missing.wav"))
    assert there == missing
    assert "reads no such uri" in there


@pytest.mark.parametrize("form", ["inputs", "instances", "dataframe_records"])
def test_an_address_is_not_fetched(named: Artifact, visited: tuple[str, list[str]], form: str) -> None:
    address = f"{visited[0]}/speech.wav"
    data = [{"audio": address}] if form == "dataframe_records" else [address]
    assert "reads no such uri" in refusal(named, {form: data})
    assert visited[1] == []


def test_what_the_operator_allows_is_read(named: Artifact, visited: tuple[str, list[str]], tmp_path: Path) -> None:
    (tmp_path / "there.wav").write_bytes(noise())
    allowing = replace(named, limits=Limits(uri_prefixes=(visited[0], tmp_path.as_uri())))
    expected = predict(artifact("ctc"), {"inputs": [base64.b64encode(noise()).decode()]})
    assert predict(allowing, {"inputs": [f"{visited[0]}/speech.wav"]}) == expected
    assert predict(allowing, {"inputs": [str(tmp_path / "there.wav")]}) == expected
    assert visited[1] == ["/speech.wav"]


def test_a_recording_is_held_to_the_limit_of_seconds() -> None:
    short = replace(artifact("ctc"), limits=Limits(max_audio_s=0.1))
    assert "0.1 seconds" in refusal(short, {"inputs": [base64.b64encode(noise()).decode()]})


def test_an_image_is_held_to_the_limit_of_pixels() -> None:
    small = replace(artifact("image-classifier"), limits=Limits(max_image_pixels=1_000))
    assert "32 by 32 pixels" in refusal(small, {"inputs": [base64.b64encode(picture()).decode()]})


def test_an_image_that_looks_like_base64_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformers would open the file `abcd`, which MLflow takes for base64."""
    (tmp_path / "abcd").write_bytes(picture())
    monkeypatch.chdir(tmp_path)
    assert "is no image" in refusal(artifact("image-classifier"), {"inputs": ["abcd"]})


@pytest.mark.parametrize("text", ["/etc/hostname", "http://localhost/a.png", "no base64!", "a\0b"], ids=repr)
def test_an_image_is_not_opened(text: str) -> None:
    assert "reads no such uri" in refusal(artifact("image-classifier"), {"inputs": [text]})


CEILINGS = [
    pytest.param({"max_new_tokens": 5000}, "max_new_tokens: is 5000; this server allows 4096", id="tokens"),
    pytest.param({"num_beams": 17}, "num_beams: is 17; this server allows 16", id="beams"),
    pytest.param({"num_return_sequences": 17}, "num_return_sequences: is 17", id="sequences"),
]


@pytest.mark.parametrize(("params", "words"), CEILINGS)
def test_a_request_keeps_to_the_ceilings(params: dict[str, Any], words: str) -> None:
    assert words in refusal(artifact("generator"), {"inputs": ["a"], "params": params})


def test_the_payload_of_a_language_model_keeps_to_the_ceilings() -> None:
    assert "max_new_tokens: is 5000" in refusal(artifact("llm-completions"), {"prompt": "a", "max_tokens": 5000})


def test_what_was_saved_is_the_operators_word() -> None:
    tight = replace(artifact("generator-bare"), limits=Limits(max_new_tokens=2))
    assert predict(tight, {"inputs": ["a"]}) == predict(artifact("generator-bare"), {"inputs": ["a"]})


LIMITS = [
    pytest.param(Limits(max_inputs=1), ["a", "b"], "has 2 entries; this server takes 1", id="inputs"),
    pytest.param(Limits(max_text_chars=3), ["abcd"], "has 4 characters; this server takes 3", id="characters"),
]


def test_texts_are_bounded_however_deep() -> None:
    tight = replace(artifact("reader"), limits=Limits(max_text_chars=8))
    body = {"dataframe_records": [{"question": "who?", "context": "the Licensor"}]}
    assert "context: has 12 characters; this server takes 8" in refusal(tight, body)
    pair = {"inputs": ["{'text': 'a', 'text_pair': 'the Licensor'}"]}
    assert "has 12 characters" in refusal(replace(artifact("classifier"), limits=Limits(max_text_chars=8)), pair)


def test_calls_never_share_a_batch() -> None:
    request_ = PredictRequest(json='{"inputs": ["a"]}')
    first, second = (pyfunc.prepare(request_, artifact("classifier")).items[0] for _ in range(2))
    assert first.alike != second.alike


@pytest.mark.parametrize(("limits", "texts", "words"), LIMITS)
def test_data_is_bounded(limits: Limits, texts: list[str], words: str) -> None:
    assert words in refusal(replace(artifact("encoder"), limits=limits), {"inputs": texts})


def test_a_text_longer_than_the_model_never_reaches_it() -> None:
    assert "the model reads 64" in refusal(artifact("encoder"), {"inputs": ["word " * 100]})


def test_a_generation_ends_at_the_models_last_position() -> None:
    body = {"inputs": ["a"], "params": {"max_new_tokens": 200}}
    assert "pass the model's 96 tokens" in refusal(artifact("generator"), body)
    model = artifact("generator").pipeline.model
    assert not model._forward_pre_hooks


def test_a_model_that_computes_its_positions_goes_on_beyond_them(tmp_path: Path) -> None:
    sizes = {"vocab_size": 600, "hidden_size": 32, "intermediate_size": 32, "max_position_embeddings": 16}
    config = LlamaConfig(**sizes, num_hidden_layers=1, num_attention_heads=2, bos_token_id=0, eos_token_id=0)
    pipe = pipeline("text-generation", model=LlamaForCausalLM(config), tokenizer=tiny_pipelines.tokenizer(bert=False))
    folder = tiny_models.save(pipe, tmp_path / "model", model_config={"max_new_tokens": 30, "do_sample": False})
    loaded = load(saved.read(folder), LoadOptions())
    assert pyfunc.model(loaded).predict(["the License"]) == oracle.pyfunc(str(folder)).predict(["the License"])


def test_without_a_signature_a_caller_sets_no_keywords(tmp_path: Path) -> None:
    folder = tiny_models.edited(tiny_models.saved("reader"), tmp_path / "model", lambda words: words.pop("signature"))
    bare = pyfunc.model(load(saved.read(folder), LoadOptions()))
    pair = {"question": "who?", "context": "the Licensor grants"}
    assert len(bare.predict(pair)) == 1
    with pytest.raises(InvalidInput, match="no data: top_k"):
        bare.predict({**pair, "top_k": "2"})


def test_a_language_model_without_a_signature_takes_its_payload(tmp_path: Path) -> None:
    source = tiny_models.saved("llm-completions")
    folder = tiny_models.edited(source, tmp_path / "model", lambda words: words.pop("signature"))
    bare, payload = load(saved.read(folder), LoadOptions()), {"prompt": "a", "max_tokens": 3, "temperature": 0.5}
    [expected] = oracle.pyfunc(str(folder)).predict(payload)
    [found] = pyfunc.model(bare).predict(payload)
    assert found["choices"] == expected["choices"]
    with pytest.raises(InvalidInput, match="no data: custom_generate"):
        pyfunc.model(bare).predict({**payload, "custom_generate": "a/b"})


def test_only_the_model_is_shared() -> None:
    loaded = artifact("classifier")
    own = guarded(loaded)
    assert own.model is loaded.pipeline.model
    assert own.tokenizer is not loaded.pipeline.tokenizer
    assert type(own).__name__ == type(loaded.pipeline).__name__
    assert isinstance(own, type(loaded.pipeline))


def test_calls_leave_nothing_behind() -> None:
    """MLflow's wrapper keeps a conversation for all of its callers."""
    first, second = (pyfunc.model(artifact("chatter"))._model_impl for _ in range(2))
    assert first is not second
    assert first.pipeline is second.pipeline


TROUBLE = [
    pytest.param(MemoryError(), id="memory"),
    pytest.param(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), id="memory of a GPU"),
    pytest.param(RuntimeError("CUDA error: an illegal memory access was encountered"), id="a GPU in trouble"),
]


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_failure_of_the_machine_is_not_the_callers(trouble: Exception) -> None:
    def fail() -> None:
        raise trouble

    with pytest.raises(type(trouble)) as caught:
        pyfunc.refusing("json", fail)
    assert caught.value is trouble


def test_a_model_without_the_flavor_is_refused(tmp_path: Path) -> None:
    def drop(words: dict[str, Any]) -> None:
        del words["flavors"]["python_function"]

    folder = tiny_models.edited(tiny_models.saved("classifier"), tmp_path / "model", drop)
    with pytest.raises(pyfunc.WrongFamily, match="python_function"):
        predict(load(saved.read(folder), LoadOptions()), {"inputs": ["a"]})


BODIES = [
    pytest.param(PredictRequest(), id="none"),
    pytest.param(PredictRequest(json="{}", csv="a"), id="two"),
]


@pytest.mark.parametrize("request_", BODIES)
def test_a_request_has_one_body(request_: PredictRequest) -> None:
    with pytest.raises(InvalidInput, match="set json, csv or parquet"):
        pyfunc.prepare(request_, artifact("classifier"))


def test_a_message_keeps_its_beginning_and_its_end() -> None:
    body = {"inputs": {f"column {index}": "x" * 100 for index in range(50)}}
    words = refusal(artifact("reader"), body)
    assert len(words) < 600
    assert words.startswith("json: Failed to enforce schema of data")
    assert words.endswith("].")


def test_speech_of_real_length_is_answered_as_mlflow_does() -> None:
    from tests.parity.test_pyfunc_door import check

    content = base64.b64encode(oracle.read("demo/speech.flac")).decode()
    assert "predictions" in check("ctc", "json", json.dumps({"inputs": [content]}))
