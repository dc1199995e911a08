"""PyfuncService.Predict against MLflow's own scoring server: the same body out for the same body in, defects included.

The oracle is `scoring_server.invocations` over `mlflow.pyfunc.load_model`. Where MLflow refuses, so does the exact door,
with MLflow's error code and its words.
"""

import base64
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pytest
import soundfile
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from PIL import Image

from savor.client import connect
from savor.flavor import pyfunc, saved
from savor.flavor.errors import InvalidInput
from savor.flavor.load import LoadOptions, load
from savor.flavor.pyfunc import PredictRequest
from savor.v1 import pyfunc_pb2
from savor.v1.pyfunc_pb2_grpc import PyfuncServiceStub
from tests import tiny_models
from tests.flavor.artifacts import artifact
from tests.parity import oracle
from tests.tiny_models import RECIPES

CONTENT_TYPES = {"json": "application/json", "csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
FLOAT = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?")
OWN = re.compile(r'(?<="id": ")[^"]+|(?<="created": )\d+')
"""What MLflow makes anew for each answer of a language model."""


def theirs(model: str, field: str, body: str | bytes) -> str:
    loaded = oracle.pyfunc(model)
    data = body.encode() if isinstance(body, str) else body
    schema = loaded.metadata.get_input_schema()
    return scoring_server.invocations(data, CONTENT_TYPES[field], loaded, schema).response


def ours(model: str, field: str, body: str | bytes) -> str:
    loaded = artifact(model) if model in RECIPES else load(saved.read(Path(model)), LoadOptions())
    prepared = pyfunc.prepare(PredictRequest(**{field: body}), loaded)
    return prepared.decode([item.run.call() for item in prepared.items]).json


def check(model: str, field: str, body: str | bytes) -> str:
    """Both bodies are the same text, real numbers within 1e-6; gives ours."""
    found, expected = ours(model, field, body), theirs(model, field, body)
    for text in (found, expected):
        json.loads(text)
    assert FLOAT.sub("#", OWN.sub("own", found)) == FLOAT.sub("#", OWN.sub("own", expected))
    numbers = [np.array(FLOAT.findall(OWN.sub("own", text)), float) for text in (found, expected)]
    np.testing.assert_allclose(*numbers, rtol=1e-6, atol=1e-6)
    return found


def check_refused(model: str, field: str, body: str | bytes) -> InvalidInput:
    """Both refuse, with the same code; gives our error, which repeats MLflow's words."""
    with pytest.raises(MlflowException) as expected:
        theirs(model, field, body)
    with pytest.raises(InvalidInput) as caught:
        ours(model, field, body)
    [violation] = caught.value.violations
    assert violation.field == field
    assert caught.value.details == {"mlflow_error_code": expected.value.error_code}
    assert violation.problem.startswith(str(expected.value.args[0]).strip()[:100])
    assert "Traceback" not in violation.problem
    assert len(violation.problem) < 1100
    return caught.value


def noise() -> bytes:
    file = io.BytesIO()
    samples = np.random.default_rng(3).normal(scale=0.1, size=8_000)
    soundfile.write(file, samples, 16_000, format="WAV")
    return file.getvalue()


def picture() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(3).integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


TEXT = "Licensed under the Apache License"
ROWS: dict[str, list[dict[str, Any]]] = {
    "masker": [{"text": "the [MASK] of the"}, {"text": "a [MASK]"}],
    "masker-with-template": [{"text": "the [MASK] of the"}],
    "reader": [
        {"question": "who?", "context": "the Licensor grants You"},
        {"question": "what?", "context": "a perpetual license"},
    ],
    "entailer": [{"sequences": TEXT, "candidate_labels": '["a", "b"]', "hypothesis_template": "It is {}."}],
    "table-reader": [{"query": "how many?", "table": '{"city": ["rome", "oslo"], "people": ["3", "1"]}'}],
    "ctc": [{"audio": base64.b64encode(noise()).decode()}],
    "whisper": [{"audio": base64.b64encode(noise()).decode()}],
    "audio-classifier": [{"audio": base64.b64encode(noise()).decode()}],
    "image-classifier": [{"image": base64.b64encode(picture()).decode()}],
    "llm-completions": [{"prompt": TEXT, "max_tokens": 4}],
    "llm-chat": [{"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}],
    "llm-embeddings": [{"input": TEXT}],
}
"""Rows of input for each recipe; for the rest a text."""
NAMED = {"reader", "entailer", "table-reader", "llm-completions", "llm-chat", "llm-embeddings"}
"""Recipes whose signature names its columns."""
QUICK = [name for name in RECIPES if name != "whisper"]
"""Whisper takes seconds: once is enough."""


def rows(model: str) -> list[dict[str, Any]]:
    return ROWS.get(model, [{"text": TEXT}])


def scalars(model: str) -> list[Any]:
    return [next(iter(row.values())) for row in rows(model)]


@pytest.mark.parametrize("model", QUICK)
def test_records(model: str) -> None:
    check(model, "json", json.dumps({"dataframe_records": rows(model)}))


@pytest.mark.parametrize("model", QUICK)
def test_split(model: str) -> None:
    frame = pd.DataFrame(rows(model))
    check(model, "json", json.dumps({"dataframe_split": frame.to_dict(orient="split")}))


@pytest.mark.parametrize("model", [name for name in RECIPES if name not in NAMED])
def test_a_list_of_inputs(model: str) -> None:
    check(model, "json", json.dumps({"inputs": scalars(model)}))


@pytest.mark.parametrize("model", [name for name in QUICK if name not in NAMED])
def test_one_input(model: str) -> None:
    check(model, "json", json.dumps({"inputs": scalars(model)[0]}))


@pytest.mark.parametrize("model", ["reader", "entailer", "table-reader"])
def test_named_inputs(model: str) -> None:
    check(model, "json", json.dumps({"inputs": rows(model)[0]}))


@pytest.mark.parametrize("model", ["classifier", "reader", "text2text", "encoder"])
def test_instances(model: str) -> None:
    check(model, "json", json.dumps({"instances": rows(model) if model in NAMED else scalars(model)}))


@pytest.mark.parametrize("model", ["classifier", "tagger", "reader", "masker", "generator", "table-reader"])
def test_csv(model: str) -> None:
    check(model, "csv", pd.DataFrame(rows(model)).to_csv(index=False))


@pytest.mark.parametrize("model", ["classifier", "reader", "encoder-with-template"])
def test_parquet(model: str) -> None:
    check(model, "parquet", pd.DataFrame(rows(model)).to_parquet())


UNIFIED = [
    pytest.param("llm-chat", ROWS["llm-chat"][0], id="chat"),
    pytest.param("llm-completions", ROWS["llm-completions"][0], id="completions"),
    pytest.param("llm-embeddings", ROWS["llm-embeddings"][0], id="embeddings"),
    pytest.param("generator", {"prompt": TEXT, "max_new_tokens": 3}, id="any model: known keys are params"),
]


@pytest.mark.parametrize(("model", "body"), UNIFIED)
def test_the_unified_form_is_answered_without_predictions(model: str, body: dict[str, Any]) -> None:
    assert "predictions" not in check(model, "json", json.dumps(body))


PARAMS = [
    pytest.param("classifier-with-params", {"top_k": 3}, id="top_k"),
    pytest.param("classifier-with-params", {"top_k": None, "unknown": 1}, id="null, and one that is dropped"),
    pytest.param("generator", {"max_new_tokens": 3, "return_full_text": False}, id="generation"),
    pytest.param("classifier", {"top_k": 3}, id="without a schema they are ignored"),
]


@pytest.mark.parametrize(("model", "params"), PARAMS)
def test_params(model: str, params: dict[str, Any]) -> None:
    check(model, "json", json.dumps({"inputs": ["a", TEXT], "params": params}))


QUIRKS = [
    pytest.param("classifier", {"inputs": ["'hello'"]}, id="B1: texts are read as Python"),
    pytest.param("classifier", {"inputs": ["{'text': 'a', 'text_pair': 'b'}"]}, id="B1: and a dict is a pair"),
    pytest.param("classifier", {"dataframe_records": [{"text": "a", "text_pair": "b"}]}, id="B2: the pair is dropped"),
    pytest.param("encoder", {"inputs": ["a", "b"]}, id="B4: the first input's array only"),
    pytest.param("masker", {"inputs": ["[MASK] and [MASK]"]}, id="B6: masks are flattened"),
    pytest.param("table-reader", {"dataframe_records": ROWS["table-reader"] * 2}, id="B9: equal rows collapse"),
    pytest.param("entailer", {"dataframe_records": ROWS["entailer"] * 2}, id="B10: equal rows collapse"),
    pytest.param("text2text", {"dataframe_records": [{"inputs": "a"}]}, id="B11: inputs nests"),
    pytest.param("ctc", {"inputs": scalars("ctc") * 2}, id="B12: a batch of recordings"),
    pytest.param("audio-classifier", {"inputs": scalars("audio-classifier") * 2}, id="B12: cells that are dicts"),
    pytest.param("llm-completions", {"prompt": "a", "max_tokens": 0}, id="B16: max_tokens 0 is no bound"),
]


@pytest.mark.parametrize(("model", "body"), QUIRKS)
def test_a_quirk_is_kept(model: str, body: dict[str, Any]) -> None:
    check(model, "json", json.dumps(body))


CHAT = [{"role": "user", "content": "hi"}]
REFUSED = [
    pytest.param("classifier", "no JSON", "valid JSON", id="no JSON"),
    pytest.param("classifier", "[]", "Received a list", id="a list"),
    pytest.param("classifier", "{}", "exactly one of", id="no data"),
    pytest.param("classifier", '{"inputs": ["a"], "instances": ["a"]}', "exactly one of", id="two forms"),
    pytest.param("classifier", '{"inputs": ["123"]}', "ValueError", id="B1: a number"),
    pytest.param("classifier", json.dumps({"inputs": ["word " * 2000]}), "MemoryError", id="B1: a long text"),
    pytest.param("classifier", '{"inputs": [{"a": "b"}]}', "may only define", id="B17: MLflow blames itself"),
    pytest.param("tagger", '{"inputs": [""]}', "IndexError", id="B3: a text without entities"),
    pytest.param("reader", '{"inputs": {"question": "a"}}', "missing inputs", id="a column is missing"),
    pytest.param(
        "text2text-with-template", '{"dataframe_records": [{"inputs": "a"}]}', "templating", id="B11: and the template"
    ),
    pytest.param("llm-chat", json.dumps({"inputs": {"messages": CHAT}}), "messages", id="B13: chat as inputs"),
    pytest.param("llm-chat", json.dumps({"messages": CHAT, "n": 2}), "not valid", id="B15: n"),
    pytest.param("llm-chat", json.dumps({"messages": CHAT, "stream": True}), "not valid", id="B15: stream"),
    pytest.param(
        "llm-chat", json.dumps({"messages": CHAT, "presence_penalty": 1.0}), "not valid", id="B15: presence_penalty"
    ),
    pytest.param("llm-chat", json.dumps({"messages": []}), "chat template", id="an empty chat"),
    pytest.param("llm-completions", json.dumps({"prompt": 1}), "column prompt", id="a prompt that is no text"),
    pytest.param("generator", '{"inputs": ["a"], "params": {"max_new_tokens": 2.0}}', "Invalid param", id="params"),
    pytest.param(
        "generator",
        '{"inputs": ["a"], "params": {"temperature": 0.0, "do_sample": true}}',
        "strictly positive",
        id="options",
    ),
]


@pytest.mark.parametrize(("model", "body", "words"), REFUSED)
def test_what_mlflow_refuses(model: str, body: str, words: str) -> None:
    assert words in str(check_refused(model, "json", body))


@pytest.mark.parametrize(
    ("field", "body"),
    [pytest.param("csv", 'a,b\n"', id="csv"), pytest.param("parquet", b"no parquet", id="parquet")],
)
def test_a_table_that_is_none(field: str, body: str | bytes) -> None:
    check_refused("reader", field, body)


@pytest.fixture(scope="module")
def stub(serving):
    with grpc.insecure_channel(serving("classifier", "generator").target) as channel:
        yield PyfuncServiceStub(channel)


def test_the_wire_carries_the_body(stub) -> None:
    body = json.dumps({"inputs": ["a", TEXT]})
    reply = stub.Predict(pyfunc_pb2.PredictRequest(model="classifier", json=body))
    assert reply.json == theirs("classifier", "json", body)
    assert reply.timing.run_s > 0
    assert reply.model_version


def test_a_refusal_says_mlflows_code(stub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(pyfunc_pb2.PredictRequest(model="classifier", json='{"inputs": [{"a": "b"}]}'))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(caught.value).details[0].Unpack(info)
    assert info.metadata == {"mlflow_error_code": "INTERNAL_ERROR"}


def test_both_doors_at_once_do_not_meet(stub, serving) -> None:
    """Fast tokenizers fail with "Already borrowed" where two threads set their padding."""
    body = json.dumps({"inputs": ["a", TEXT]})
    expected = stub.Predict(pyfunc_pb2.PredictRequest(model="classifier", json=body)).json
    with connect(serving("classifier", "generator").target) as client, ThreadPoolExecutor(8) as threads:
        exact = [threads.submit(stub.Predict, pyfunc_pb2.PredictRequest(model="classifier", json=body))]
        typed = []
        for _ in range(30):
            exact.append(threads.submit(stub.Predict, pyfunc_pb2.PredictRequest(model="classifier", json=body)))
            typed.append(threads.submit(client.classify_text, ["a", TEXT], model="classifier"))
        assert {call.result().json for call in exact} == {expected}
        best = [{(r.labels[0].label, round(r.labels[0].score, 5)) for r in call.result().results} for call in typed]
    assert best[0] == {(row["label"], round(row["score"], 5)) for row in json.loads(expected)["predictions"]}
    assert all(answer == best[0] for answer in best)


def test_stop_needs_a_hub_that_is_not_asked(tmp_path: Path) -> None:
    """B14: MLflow loads another tokenizer, from where the model came, at every call with `stop`."""

    def name_source(words: dict[str, Any]) -> None:
        words["flavors"]["transformers"]["source_model_name"] = "nobody/nothing"

    folder = tiny_models.edited(tiny_models.saved("llm-completions"), tmp_path / "model", name_source)
    error = check_refused(str(folder), "json", json.dumps({"prompt": "a", "stop": ["b"]}))
    assert "a hub that this server does not reach" in str(error)
    assert str(tmp_path) not in str(error)
