"""What the channel does by itself: retries by service config, limits, encryption."""

import datetime
import json
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from savor.client import Overloaded, SavorError, Tls, Unavailable
from savor.client.channel import channel_options, deadline_s, service_config
from savor.v1 import model_pb2, speech_recognition_pb2, text_generation_pb2
from tests.client.conftest import Connector
from tests.client.serving import Script, failing, in_turn, serve

UNAVAILABLE = failing(grpc.StatusCode.UNAVAILABLE, "Loading.")
MODELS = model_pb2.ListModelsResponse()


def _full(pushback_ms: int) -> Any:
    trailer = (("grpc-retry-pushback-ms", str(pushback_ms)),)
    return failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "Full.", trailer=trailer)


async def test_a_call_is_tried_again_until_it_is_answered(connector: Connector, script: Script) -> None:
    script.answers["ListModels"] = in_turn(UNAVAILABLE, UNAVAILABLE, MODELS)
    async with connector(script.target) as client:
        assert (await client.call("list_models")).models == ()
    assert len(script.requests) == 3


async def test_a_stream_is_tried_again_before_its_first_reply(connector: Connector, script: Script) -> None:
    sent = text_generation_pb2.StreamGenerateTextResponse(model_version="1")
    script.answers["StreamGenerateText"] = in_turn(UNAVAILABLE, lambda _request, _context: iter([sent]))
    async with connector(script.target) as client:
        assert [each.model_version for each in await client.stream("a")] == ["1"]
    assert len(script.requests) == 2


async def test_a_long_recording_is_tried_again_too(connector: Connector, script: Script) -> None:
    script.answers["RecognizeSpeech"] = in_turn(_full(1), speech_recognition_pb2.RecognizeSpeechResponse())
    async with connector(script.target) as client:
        await client.call("recognize_speech", bytes(8 * 2**20))
    assert len(script.requests) == 2


ATTEMPTS = [
    pytest.param(0, UNAVAILABLE, Unavailable, 1, id="no retries"),
    pytest.param(1, UNAVAILABLE, Unavailable, 2, id="one retry"),
    pytest.param(3, _full(1), Overloaded, 4, id="full, come back soon"),
    pytest.param(3, _full(-1), Overloaded, 1, id="full, don't come back"),
]


@pytest.mark.parametrize(("retries", "answer", "kind", "expected"), ATTEMPTS)
async def test_attempts_end(
    connector: Connector, script: Script, retries: int, answer: Any, kind: type[Exception], expected: int
) -> None:
    script.answers["ListModels"] = answer
    async with connector(script.target, retries=retries) as client:
        with pytest.raises(kind):
            await client.call("list_models")
    assert len(script.requests) == expected


async def test_what_will_not_mend_is_not_tried_again(connector: Connector, script: Script) -> None:
    script.answers["ListModels"] = failing(grpc.StatusCode.INTERNAL, "Broken.")
    async with connector(script.target) as client:
        with pytest.raises(Exception, match="Broken"):
            await client.call("list_models")
    assert len(script.requests) == 1


async def test_the_server_says_how_soon(connector: Connector, script: Script) -> None:
    # By itself the client would come back after 0.1 s.
    script.answers["ListModels"] = in_turn(_full(60_000), MODELS)
    async with connector(script.target, timeout_s=0.5) as client:
        with pytest.raises(SavorError):
            await client.call("list_models")
    assert len(script.requests) == 1


async def test_a_reply_may_be_larger_than_grpc_allows_by_itself(connector: Connector, script: Script) -> None:
    script.answers["ListModels"] = model_pb2.ListModelsResponse(models=[model_pb2.Model(name="x" * (5 * 2**20))])
    async with connector(script.target) as client:
        assert len((await client.call("list_models")).models[0].name) == 5 * 2**20


async def test_a_reply_above_the_limit_is_refused(connector: Connector, script: Script) -> None:
    script.answers["ListModels"] = model_pb2.ListModelsResponse(models=[model_pb2.Model(name="x" * 2000)])
    async with connector(script.target, max_reply_bytes=1000) as client:
        with pytest.raises(Overloaded, match="larger than max"):
            await client.call("list_models")


def test_retries_are_in_the_service_config() -> None:
    policy = json.loads(service_config(3))["methodConfig"][0]["retryPolicy"]
    assert policy["maxAttempts"] == 4
    assert policy["retryableStatusCodes"] == ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]
    assert json.loads(service_config(0)) == {}


@pytest.mark.parametrize("retries", [-1, 5], ids=["fewer than none", "more than gRPC makes"])
def test_retries_have_a_range(retries: int) -> None:
    with pytest.raises(ValueError, match="use 0 to 4"):
        service_config(retries)


def test_keepalive_can_be_left_out() -> None:
    without = dict(channel_options(tls=None, retries=0, keepalive_s=None, max_reply_bytes=1))
    assert not [name for name in without if "keepalive" in name]
    chosen = dict(channel_options(tls=None, retries=0, keepalive_s=0.5, max_reply_bytes=1))
    assert chosen["grpc.keepalive_time_ms"] == 500


DEADLINES = [
    pytest.param(None, 60.0, 60.0, id="default"),
    pytest.param(1.0, 60.0, 1.0, id="own"),
    pytest.param(0.0, 60.0, 0.0, id="none left"),
    pytest.param(float("inf"), 60.0, None, id="no limit"),
    pytest.param(None, None, None, id="no limit by default"),
]


@pytest.mark.parametrize(("timeout_s", "default_s", "expected"), DEADLINES)
def test_deadlines(timeout_s: float | None, default_s: float | None, expected: float | None) -> None:
    assert deadline_s(timeout_s, default_s) == expected


def _certificate(name: str) -> tuple[bytes, bytes]:
    """A self-signed certificate for this host name, which is its own root, and its key; both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem), private


async def test_mutual_tls_under_another_name(connector: Connector) -> None:
    (server_pem, server_key), (client_pem, client_key) = _certificate("savor.test"), _certificate("caller.test")
    credentials = grpc.ssl_server_credentials([(server_key, server_pem)], client_pem, require_client_auth=True)
    tls = Tls(ca=server_pem, certificate=client_pem, key=client_key, server_name="savor.test")
    with serve(Script({"ListModels": MODELS}), credentials) as script:
        async with connector(script.target, tls=tls) as client:
            assert (await client.call("list_models")).models == ()
        async with connector(script.target, tls=Tls(ca=client_pem), retries=0) as client:
            with pytest.raises(Unavailable):
                await client.call("list_models")


def test_a_key_stays_out_of_sight_and_goes_with_its_certificate() -> None:
    assert "secret" not in repr(Tls(certificate=b"public", key=b"secret"))
    with pytest.raises(ValueError, match="go together"):
        Tls(certificate=b"public")
