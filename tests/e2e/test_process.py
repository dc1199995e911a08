"""`savor serve` as a process: how it starts, what it says when it can't, and how it ends without losing a call."""

import json
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import mlflow
import pytest
from grpc_health.v1 import health_pb2
from mlflow.models import infer_signature

from savor.flavor.errors import LoadRefused
from savor.v1 import model_pb2, text_classification_pb2, text_generation_pb2
from tests import tiny_models, tiny_pipelines
from tests.e2e.launch import LISTENING, Launched, launched
from tests.e2e.stubs import Stubs, failure, stubs
from tests.serving import Serving

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = (
    "",
    "savor.v1.ModelService",
    "savor.v1.TextClassificationService",
    "savor.v1.TextGenerationService",
    "savor.v1.FeatureExtractionService",
    "savor.v1.SpeechRecognitionService",
)


def classify(text: str = "A good day.", model: str = "") -> text_classification_pb2.ClassifyTextRequest:
    inputs = [text_classification_pb2.TextClassificationInput(text=text)]
    return text_classification_pb2.ClassifyTextRequest(model=model, inputs=inputs, top_k=0)


def generation(tokens: int, prompt: str = "Once upon a time") -> dict[str, object]:
    parameters = text_generation_pb2.TextGenerationParameters(max_new_tokens=tokens, do_sample=False)
    return {"model": "long", "inputs": [prompt], "parameters": parameters}


def health(stub: Stubs, service: str = "") -> int:
    return int(stub.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=30).status)


# Draining.


def test_sigterm_tells_meshes_first_and_answers_every_call_under_way(long_generator: Path) -> None:
    models = (f"long={long_generator}", f"classifier={tiny_models.saved('classifier')}")
    drain = {"SAVOR_SERVER__DRAIN_DELAY_S": "1", "SAVOR_SERVER__GRACE_S": "60"}
    with launched("--port", "0", *models, **drain) as server, stubs(server.target()) as stub:
        watch = stub.health.Watch(health_pb2.HealthCheckRequest(), timeout=90)
        assert next(watch).status == SERVING
        stream = stub.generation.StreamGenerateText(
            text_generation_pb2.StreamGenerateTextRequest(**generation(400)), timeout=90
        )
        pieces = [next(stream)]
        # Each in a batch of its own, so all but the first wait behind the stream when the signal comes.
        waiting = [
            stub.generation.GenerateText.future(
                text_generation_pb2.GenerateTextRequest(**generation(20 + index)), timeout=90
            )
            for index in range(6)
        ]
        # On the same connection, so those calls have arrived once this one is answered.
        stub.models.ListModels(model_pb2.ListModelsRequest(), timeout=30)
        server.signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        # The mesh may not have noticed yet: a new call is still answered.
        assert len(stub.classification.ClassifyText(classify(model="classifier"), timeout=30).results) == 1
        assert not any(call.done() for call in waiting)
        assert server.popen.poll() is None
        watch.cancel()
        pieces.extend(stream)
        counts = [call.result().results[0].sequences[0].token_count for call in waiting]
        assert server.ended() == 0
    assert pieces[-1].model_version
    assert pieces[-2].results[-1].token_count == 400
    assert counts == [20 + index for index in range(6)]
    assert "Traceback" not in server.said


def test_an_idle_server_ends_at_a_signal_though_somebody_watches_its_health() -> None:
    settings = {"SAVOR_SERVER__DRAIN_DELAY_S": "0", "SAVOR_SERVER__GRACE_S": "60"}
    with launched("--port", "0", str(tiny_models.saved("classifier")), **settings) as server:
        with stubs(server.target()) as stub:
            watch = stub.health.Watch(health_pb2.HealthCheckRequest(), timeout=90)
            assert next(watch).status == SERVING
            threads = Path(f"/proc/{server.popen.pid}/task").iterdir()
            policies = {os.sched_getscheduler(int(each.name)) for each in threads}
            server.signal(signal.SIGINT)
            assert next(watch).status == NOT_SERVING
            # Long before the grace is over: nobody waits for an answer.
            assert server.ended(within_s=20) == 0
        assert "Traceback" not in server.said
        # See server/scheduling.py.
        assert policies == {os.SCHED_OTHER, os.SCHED_BATCH}


@pytest.mark.slow
def test_a_second_signal_cuts_the_grace_short(long_generator: Path) -> None:
    settings = {"SAVOR_SERVER__DRAIN_DELAY_S": "60", "SAVOR_SERVER__GRACE_S": "60"}
    with launched("--port", "0", f"long={long_generator}", **settings) as server, stubs(server.target()) as stub:
        request = text_generation_pb2.StreamGenerateTextRequest(**generation(4000))
        stream = stub.generation.StreamGenerateText(request, timeout=90)
        next(stream)
        server.signal(signal.SIGINT)
        server.until("draining")
        server.signal(signal.SIGINT)
        with pytest.raises(grpc.RpcError) as caught:
            list(stream)
        assert server.ended(within_s=20) == 0
    assert failure(caught.value).code in {"CANCELLED", "UNAVAILABLE"}
    assert "Traceback" not in server.said


# Sentences instead of tracebacks.


def refusal(server: Launched, status: int) -> str:
    # Nobody was ever told that this server serves, so it waits for nobody.
    assert server.ended(within_s=45) == status, server.said
    assert "Traceback" not in server.said
    return server.said


def test_a_port_that_is_taken_is_said_in_a_sentence() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with launched("--port", str(port), str(tiny_models.saved("classifier"))) as server:
            assert f"savor: can't listen on 127.0.0.1:{port}: is the port taken?" in refusal(server, 1)


def without_weights(folder: Path) -> Path:
    """A model that refers to the hub for its weights, as MLflow saves with save_pretrained=False."""

    def edit(words: dict[str, dict[str, dict[str, object]]]) -> None:
        words["flavors"]["transformers"].pop("model_binary", None)
        words["flavors"]["transformers"] |= {"source_model_name": "nobody/none", "source_model_revision": "0" * 40}

    return tiny_models.edited(tiny_models.saved("classifier"), folder / "model", edit)


def with_loader(folder: Path) -> Path:
    """A model whose MLmodel names a module of its own to load it with."""

    def edit(words: dict[str, dict[str, dict[str, object]]]) -> None:
        words["flavors"]["python_function"]["loader_module"] = "os.path"

    return tiny_models.edited(tiny_models.saved("classifier"), folder / "model", edit)


def not_a_model(folder: Path) -> Path:
    return folder


def not_there(folder: Path) -> Path:
    return folder / "no-such-model"


def damaged(folder: Path) -> Path:
    """A model whose weights are cut short, as a broken download leaves them."""
    made = tiny_models.edited(tiny_models.saved("classifier"), folder / "model", lambda words: None)
    weights = made / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    return made


def test_a_model_that_cannot_be_served_is_said_in_a_sentence(tmp_path: Path) -> None:
    with launched("--port", "0", str(with_loader(tmp_path)), SAVOR_SERVER__DRAIN_DELAY_S="60") as server:
        sentence = r"savor: \S+/model: .*loader module is os.path \(switch: allow_loader = true\)"
        assert re.search(sentence, refusal(server, 1)), server.said


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        pytest.param(not_there, r"there is no folder \S+/no-such-model; ", id="no-such-folder"),
        pytest.param(not_a_model, "is not a saved MLflow model: it has no MLmodel file", id="not-a-model"),
        pytest.param(without_weights, r"refers to nobody/none .*\(switch: allow_hub = true\)", id="needs-allow-hub"),
        pytest.param(damaged, r"transformers can't load \S+: SafetensorError: ", id="damaged-weights"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_refused_in_a_sentence(
    tmp_path: Path, made: Callable[[Path], Path], sentence: str
) -> None:
    with pytest.raises(LoadRefused, match=sentence):
        Serving([str(made(tmp_path))]).start()


CONFIGS = [
    pytest.param("[server]\nprot = 1", "server.prot is not a setting; did you mean port?", id="in-a-section"),
    pytest.param("[servre]\nport = 1", "servre is not a setting; did you mean server?", id="section"),
    pytest.param(
        '[[models]]\nuri = "x"\nunknown_parameter = "drop"',
        "models.0.unknown_parameter is not a setting; did you mean unknown_parameters?",
        id="in-a-model",
    ),
    pytest.param("[server]\nport = 70000", "server.port: Input should be less than or equal to 65535", id="range"),
    pytest.param("[server\nport = 1", "is not TOML", id="not-toml"),
]


@pytest.mark.parametrize(("toml", "sentence"), CONFIGS)
def test_a_setting_that_cannot_be_used_is_named_with_the_nearest_known_one(
    tmp_path: Path, toml: str, sentence: str
) -> None:
    (tmp_path / "savor.toml").write_text(toml)
    with launched("--config", str(tmp_path / "savor.toml")) as server:
        assert sentence in refusal(server, 2)


def test_a_variable_that_names_no_setting_is_refused() -> None:
    with launched("anything", SAVOR_SEVER__PORT="1") as server:
        assert "SAVOR_SEVER__PORT is not a setting; did you mean SAVOR_SERVER__PORT?" in refusal(server, 2)


def test_no_models_at_all_is_said_in_a_sentence() -> None:
    with launched("--port", "0") as server:
        assert "savor: no models: name at least one, or list them in a --config file" in refusal(server, 2)


# Loading.


class Gate:
    """An MLflow registry whose one model, `held`, can't be fetched until the gate is opened."""

    def __init__(self, folder: Path) -> None:
        self.opened = threading.Event()
        self.asked = threading.Event()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gate.asked.set()
                gate.opened.wait()
                version = {"name": "held", "version": "1", "source": str(folder), "status": "READY"}
                body = json.dumps({"model_version": version, "artifact_uri": str(folder)}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # Those who asked may be gone when the gate opens.
        self._server.handle_error = lambda *_: None
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.uri = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.opened.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    with closing(Gate(tiny_models.saved("generator"))) as made:
        yield made


@pytest.mark.slow
def test_health_and_calls_say_that_a_model_is_still_loading(gate: Gate) -> None:
    first = f"classifier={tiny_models.saved('classifier')}"
    arguments = ("--port", "0", "--tracking-uri", gate.uri, first, "models:/held/1")
    with launched(*arguments, SAVOR_SERVER__DRAIN_DELAY_S="0") as server:
        with stubs(server.until(LISTENING)["target"]) as stub:
            assert gate.asked.wait(60), server.said
            watch = stub.health.Watch(health_pb2.HealthCheckRequest(), timeout=90)
            assert next(watch).status == NOT_SERVING
            assert {health(stub, service) for service in SERVICES} == {NOT_SERVING}
            request = text_generation_pb2.GenerateTextRequest(model="held", inputs=["Hello"])
            with pytest.raises(grpc.RpcError) as caught:
                stub.generation.GenerateText(request, timeout=30)
            # Those that are loaded already answer.
            assert stub.classification.ClassifyText(classify(model="classifier"), timeout=30).results
            states = {m.name: m.state for m in stub.models.ListModels(model_pb2.ListModelsRequest(), timeout=30).models}
            gate.opened.set()
            assert next(watch).status == SERVING
            watch.cancel()
            served = {service: health(stub, service) for service in SERVICES}
            assert stub.generation.GenerateText(request, timeout=30).model_version == "1"
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    found = failure(caught.value)
    assert (found.code, found.reason) == ("UNAVAILABLE", "NOT_READY")
    assert "'held' is still loading" in found.message
    assert states == {"classifier": model_pb2.MODEL_STATE_READY, "held": model_pb2.MODEL_STATE_LOADING}
    unserved = {"savor.v1.FeatureExtractionService", "savor.v1.SpeechRecognitionService"}
    assert served == {service: NOT_SERVING if service in unserved else SERVING for service in SERVICES}


@pytest.mark.slow
def test_a_server_that_is_still_loading_ends_at_a_signal(gate: Gate) -> None:
    arguments = ("--port", "0", "--tracking-uri", gate.uri, "models:/held/1")
    with launched(*arguments, SAVOR_SERVER__DRAIN_DELAY_S="0") as server:
        assert gate.asked.wait(60), server.said
        server.signal(signal.SIGTERM)
        # No call is under way, so there is nothing to wait for.
        server.ended(within_s=10)
    assert "Traceback" not in server.said


# Every way to name a model.


@dataclass(frozen=True)
class Registry:
    """An MLflow registry in a database of its own, with one model in it."""

    uri: str
    run_id: str
    folder: Path


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    place = tmp_path_factory.mktemp("registry")
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    uri = f"sqlite:///{place}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        experiment = mlflow.create_experiment("tests", artifact_location=str(place / "artifacts"))
        with mlflow.start_run(experiment_id=experiment) as run:
            logged = mlflow.transformers.log_model(
                tiny_pipelines.classifier(),
                name="classifier",
                registered_model_name="mood",
                pip_requirements=["transformers"],
                signature=infer_signature("a", None, {"top_k": 2}),
            )
        mlflow.MlflowClient().set_registered_model_alias("mood", "champion", "1")
        folder = Path(mlflow.artifacts.download_artifacts(logged.model_uri, dst_path=str(place / "copy")))
        yield Registry(uri, run.info.run_id, folder)
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
@pytest.mark.slow
def test_every_way_to_name_a_model_serves_the_same_one(registry: Registry) -> None:
    models = (
        "models:/mood/1",
        "models:/mood@champion",
        f"by-run=runs:/{registry.run_id}/classifier",
        f"by-path={registry.folder}",
    )
    # As by default: one is compiled, and the others find it in the cache.
    arguments = ("--port", "0", "--accel", "auto", "--tracking-uri", registry.uri, *models)
    with launched(*arguments, SAVOR_SERVER__DRAIN_DELAY_S="0") as server, stubs(server.target()) as stub:
        answers = {}
        for name in ("mood", "mood@1", "mood@champion", "by-run", f"by-run@{registry.run_id}", "by-path"):
            answers[name] = stub.classification.ClassifyText(classify(model=name), timeout=30)
        with pytest.raises(grpc.RpcError) as caught:
            stub.classification.ClassifyText(classify(model="mood@2"), timeout=30)
        mood = stub.models.GetModel(model_pb2.GetModelRequest(model="mood@champion"), timeout=30).model
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
    expected = [(each.label, each.score) for each in answers["by-path"].results[0].labels]
    assert len(expected) == 3
    for answer in answers.values():
        assert [(each.label, each.score) for each in answer.results[0].labels] == expected
    versions = {name: answer.model_version for name, answer in answers.items()}
    assert (versions["mood"], versions["mood@1"], versions["mood@champion"]) == ("1", "1", "1")
    assert versions["by-run"] == registry.run_id
    assert (mood.version, list(mood.aliases), mood.backend.name) == ("1", ["champion"], "onnx")
    found = failure(caught.value)
    assert (found.code, found.reason) == ("NOT_FOUND", "UNKNOWN_MODEL")
    assert "served are mood@1, mood@champion" in found.message
