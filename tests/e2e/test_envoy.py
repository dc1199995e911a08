"""Two servers behind Envoy, set up by deploy/envoy.yaml: calls are balanced, and none is lost when a server goes."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from savor.client import Client, DeadlineExceeded, InvalidArgument, NotFound, SavorError, connect
from tests import tiny_models
from tests.e2e.launch import Launched, launched

ENVOY = Path(sys.executable).with_name("envoy")
TEMPLATE = tiny_models.ROOT / "deploy" / "envoy.yaml"
CALLERS = 12


@dataclass(frozen=True)
class Mesh:
    """Envoy's address, its admin page's, and the servers behind it by their addresses."""

    target: str
    admin: str
    servers: dict[str, Launched]

    def healthy(self) -> int:
        """How many servers Envoy sends calls to."""
        return int(self._admin("stats?format=json&filter=cluster.savor.membership_healthy")["stats"][0]["value"])

    def calls(self) -> Counter[str]:
        """How many calls Envoy has sent to each server."""
        [cluster] = self._admin("clusters?format=json")["cluster_statuses"]
        return Counter({_address(host["address"]): _total(host) for host in cluster["host_statuses"]})

    def _admin(self, page: str) -> Any:
        with urlopen(f"http://{self.admin}/{page}", timeout=10) as answer:
            return json.load(answer)


def _address(address: dict[str, Any]) -> str:
    return "{address}:{port_value}".format(**address["socket_address"])


def _total(host: dict[str, Any]) -> int:
    return next(int(stat.get("value", 0)) for stat in host["stats"] if stat["name"] == "rq_total")


def adapted(targets: list[str]) -> dict[str, Any]:
    """The documented configuration with addresses of this host, ports of Envoy's own choosing."""
    config = yaml.safe_load(TEMPLATE.read_text())
    here = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    config["admin"]["address"] = here
    config["static_resources"]["listeners"][0]["address"] = here
    [cluster] = config["static_resources"]["clusters"]
    ports = [int(target.rpartition(":")[2]) for target in targets]
    endpoints = [{"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}} for port in ports]
    cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": [{"endpoint": endpoint} for endpoint in endpoints]}]
    return config


@contextmanager
def envoy(config: dict[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Runs Envoy; gives the addresses of its listener and of its admin page."""
    (folder / "envoy.yaml").write_text(yaml.safe_dump(config))
    admin_file = folder / "admin"
    command = [ENVOY, "-c", folder / "envoy.yaml", "--admin-address-path", admin_file, "--concurrency", "1"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([*map(str, command), "--disable-hot-restart", "-l", "warning"], stderr=log) as popen,
    ):
        try:
            until(lambda: admin_file.is_file() and bool(admin_file.read_text()), popen, folder)
            admin = admin_file.read_text()
            with urlopen(f"http://{admin}/listeners?format=json", timeout=10) as answer:
                [listener] = json.load(answer)["listener_statuses"]
            yield _address(listener["local_address"]), admin
        finally:
            popen.kill()


def until(condition: Any, popen: "subprocess.Popen[bytes]", folder: Path) -> None:
    ends_at = time.monotonic() + 30
    while not condition():
        assert popen.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < ends_at, (folder / "log").read_text()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    models = [str(tiny_models.saved(name)) for name in ("classifier", "generator")]
    settings = {"SAVOR_SERVER__DRAIN_DELAY_S": "2.5", "SAVOR_SERVER__GRACE_S": "30"}
    with ExitStack() as stack:
        servers = [stack.enter_context(launched("--port", "0", *models, **settings)) for _ in range(2)]
        targets = [server.target() for server in servers]
        target, admin = stack.enter_context(envoy(adapted(targets), tmp_path_factory.mktemp("envoy")))
        made = Mesh(target, admin, dict(zip(targets, servers, strict=True)))
        wait_healthy(made, 2)
        yield made


def wait_healthy(mesh: Mesh, servers: int) -> None:
    ends_at = time.monotonic() + 30
    while mesh.healthy() != servers:
        assert time.monotonic() < ends_at, f"Envoy sends calls to {mesh.healthy()} servers, not to {servers}"
        time.sleep(0.05)


@pytest.fixture
def through(mesh: Mesh) -> Iterator[Client]:
    """A client without retries of its own, which would hide what Envoy loses."""
    with connect(mesh.target, retries=0) as client:
        yield client


def test_the_documented_configuration_is_valid(tmp_path: Path) -> None:
    shutil.copy(TEMPLATE, tmp_path)
    command = [ENVOY, "--mode", "validate", "-l", "error", "-c", tmp_path / TEMPLATE.name]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr


def test_answers_through_envoy_are_those_of_the_servers(mesh: Mesh, through: Client) -> None:
    for target in mesh.servers:
        with connect(target, retries=0) as direct:
            # Four times, so that each server behind Envoy has its turn.
            for _ in range(4):
                assert asked(through) == asked(direct)


def asked(client: Client) -> tuple[object, ...]:
    classified = client.classify_text(["A good day.", "A bad one."], model="classifier", top_k=0)
    labels = [(found.label, round(found.score, 6)) for result in classified.results for found in result.labels]
    parameters = {"max_new_tokens": 12, "do_sample": False}
    generated = client.generate_text("Once upon", model="generator", parameters=parameters)
    with client.stream_generate_text("Once upon", model="generator", parameters=parameters) as stream:
        streamed = "".join(delta.text for piece in stream for delta in piece.results)
    assert streamed == generated.results[0].sequences[0].text
    return labels, streamed


def test_calls_of_one_connection_go_to_both_servers(mesh: Mesh, through: Client) -> None:
    before = mesh.calls()
    for _ in range(20):
        through.classify_text("A good day.", model="classifier")
    sent = mesh.calls() - before
    assert sent.keys() == mesh.servers.keys()
    assert sent.total() == 20
    assert min(sent.values()) >= 8


def test_errors_come_through_envoy_with_their_details(through: Client) -> None:
    with pytest.raises(InvalidArgument) as wrong:
        through.classify_text("A good day.", model="classifier", top_k=-1)
    assert [violation.field for violation in wrong.value.violations] == ["top_k"]
    with pytest.raises(NotFound) as unknown:
        through.classify_text("A good day.", model="nobody")
    assert unknown.value.reason == "UNKNOWN_MODEL"


def test_deadlines_come_through_envoy(through: Client) -> None:
    with pytest.raises(DeadlineExceeded):
        through.generate_text("Once upon", model="generator", parameters={"max_new_tokens": 80}, timeout_s=0.02)
    assert asked(through)


# Last: it ends one of the servers.
def test_no_call_is_lost_when_one_of_two_servers_ends_under_load(mesh: Mesh) -> None:
    ending = threading.Event()
    target, server = next(iter(mesh.servers.items()))
    before = mesh.calls()
    with ThreadPoolExecutor(CALLERS) as pool:
        callers = [pool.submit(call_until, ending, mesh.target, number) for number in range(CALLERS)]
        try:
            time.sleep(1)
            under_load = mesh.calls()
            server.signal(signal.SIGTERM)
            status = server.ended(within_s=40)
            after = mesh.calls()
            time.sleep(0.5)
        finally:
            ending.set()
        answered, failures = zip(*(caller.result() for caller in callers), strict=True)
    assert not [failure for each in failures for failure in each]
    assert status == 0
    assert "Traceback" not in server.said
    # Both were busy when the signal came, and the one that stayed did the rest.
    assert all((under_load - before)[each] >= CALLERS for each in mesh.servers)
    assert min(answered) > 2
    assert sum(answered) > 100
    assert (mesh.calls() - after).keys() <= mesh.servers.keys() - {target}
    assert mesh.healthy() == 1


def call_until(ending: threading.Event, target: str, number: int) -> tuple[int, list[str]]:
    """Calls until the end: how many answers came, and what went wrong."""
    answered, failures = 0, []
    parameters = {"max_new_tokens": 10 + number, "do_sample": False}
    with connect(target, retries=0, timeout_s=60) as client:
        while not ending.is_set():
            try:
                match number % 3:
                    case 0:
                        client.classify_text(["A good day.", "A bad one."], model="classifier")
                    case 1:
                        client.generate_text("Once upon", model="generator", parameters=parameters)
                    case _:
                        pieces = list(client.stream_generate_text("Once", model="generator", parameters=parameters))
                        assert pieces[-1].model_version
                answered += 1
            except SavorError as error:
                failures.append(repr(error))
    return answered, failures
