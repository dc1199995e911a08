"""The server's life: listen, load, serve, drain, stop. No call that was admitted is lost on the way.

Health says NOT_SERVING until every model is warm. On SIGTERM or SIGINT it says NOT_SERVING again, the server goes on
answering for `drain_delay_s` so that meshes move away, then refuses new calls and gives running ones `grace_s`. A
second signal ends the grace.
"""

import asyncio
import logging
import signal
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from savor.flavor import table
from savor.oip import open_inference_pb2_grpc
from savor.server import scheduling
from savor.server.config import ServerSettings, Settings, TlsSettings
from savor.server.model_service import ModelService
from savor.server.models import Models
from savor.server.open_inference import SERVICE as _OPEN_INFERENCE
from savor.server.open_inference import OpenInference
from savor.server.service import FamilyService
from savor.server.tracing import tracing
from savor.v1 import model_pb2, model_pb2_grpc

_log = logging.getLogger(__name__)

_MODEL_SERVICE = model_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class App:
    """One server with its models. `port` is the port it listens on once `start` has returned."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models = Models(settings)
        self._families = FamilyService(self._models, settings.server.default_timeout_s)
        self._health = _Health()
        self._was_serving, self._is_stopping = False, False
        interceptors, self._flush_spans = tracing() if settings.tracing else ((), lambda: None)
        self._server = grpc.aio.server(options=_options(settings.server), interceptors=interceptors)
        self.port = 0

    async def start(self) -> None:
        """Listens. Calls for models are UNAVAILABLE until `load` is done. Raises OSError where the port is taken."""
        for family in table.FAMILIES:
            self._server.add_generic_rpc_handlers((self._families.handler(family),))
        model_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(self._models), self._server)
        open_inference = OpenInference(
            self._models, self._families, lambda: self._was_serving and not self._is_stopping
        )
        open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(open_inference, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (*_service_names(), health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        await self._report(_NOT_SERVING, ("", *_service_names()))
        self.port = self._listen()
        await self._server.start()
        _log.info("listening on %s:%d", self._settings.server.host, self.port)

    async def load(self) -> None:
        """Loads and warms every model, then reports SERVING. Raises LoadRefused for one that can't be served."""
        await self._models.load_all()
        families = {
            family.service for entry in self._models.entries if entry.loaded for family in entry.loaded.families
        }
        served = [f"savor.v1.{service}" for service in sorted(families)]
        await self._report(_SERVING, ("", _MODEL_SERVICE, _OPEN_INFERENCE, *served))
        self._was_serving = True
        _log.info("serving %d models", len(self._models.entries))

    async def stop(self, hurry: asyncio.Event) -> None:
        """Drains and stops. Setting `hurry` skips the waiting for meshes and cuts the grace short."""
        self._is_stopping = True
        await self._report(_NOT_SERVING, ("", *_service_names()))
        if self._was_serving:
            await _wait(hurry, self._settings.server.drain_delay_s)
        self._health.closing.set()
        stopping = asyncio.create_task(self._server.stop(self._settings.server.grace_s))
        hurrying = asyncio.create_task(hurry.wait())
        await asyncio.wait({stopping, hurrying}, return_when=asyncio.FIRST_COMPLETED)
        hurrying.cancel()
        if not stopping.done():
            await self._server.stop(0)
        await stopping
        await self._models.close()
        self._families.close()
        self._flush_spans()

    async def _report(self, state: int, services: Sequence[str]) -> None:
        for service in services:
            await self._health.set(service, state)

    def _listen(self) -> int:
        settings = self._settings.server
        host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
        address = f"{host}:{settings.port}"
        credentials = _credentials(settings.tls)
        try:
            if credentials is None:
                return int(self._server.add_insecure_port(address))
            return int(self._server.add_secure_port(address, credentials))
        except RuntimeError as error:
            raise OSError(f"can't listen on {address}: is the port taken?") from error


async def serve(settings: Settings, started: Callable[[int], None] = lambda port: None) -> None:
    """Serves until a signal comes. `started` is told the port once every model is ready."""
    # Before gRPC starts threads.
    scheduling.give_way()
    app, signals = App(settings), _Signals()
    await app.start()
    loading = asyncio.create_task(app.load())
    stopping = asyncio.create_task(signals.first.wait())
    try:
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            started(app.port)
            await stopping
    finally:
        loading.cancel()
        stopping.cancel()
        _log.info("draining")
        await app.stop(signals.second)
        _log.info("stopped")


class _Health(health.aio.HealthServicer):
    """grpc.health.v1, with watches that end when the server does: an open one would hold up its stop."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = asyncio.Event()

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        """Sends the state of a service whenever it changes."""
        watching = asyncio.ensure_future(super().Watch(request, context))
        closing = asyncio.ensure_future(self.closing.wait())
        try:
            await asyncio.wait({watching, closing}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        finally:
            watching.cancel()
            closing.cancel()


class _Signals:
    """The first and the second SIGTERM or SIGINT."""

    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._note)

    def _note(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def _service_names() -> tuple[str, ...]:
    return (_MODEL_SERVICE, _OPEN_INFERENCE, *(f"savor.v1.{family.service}" for family in table.FAMILIES))


def _options(settings: ServerSettings) -> list[tuple[str, int]]:
    options = [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        # Without this a second server on the same port would silently take half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ]
    if settings.max_connection_age_s:
        options.append(("grpc.max_connection_age_ms", round(settings.max_connection_age_s * 1000)))
        options.append(("grpc.max_connection_age_grace_ms", round(settings.grace_s * 1000)))
    return options


def _credentials(tls: TlsSettings) -> grpc.ServerCredentials | None:
    """The server's credentials, None for plain text. Raises OSError for files that are missing or no PEM."""
    if tls.key is None or tls.certificate is None:
        if tls.key or tls.certificate or tls.client_ca:
            raise OSError("TLS needs both server.tls.certificate and server.tls.key")
        return None
    _check_readable(tls)
    roots = tls.client_ca.read_bytes() if tls.client_ca else None
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    return grpc.ssl_server_credentials([pair], root_certificates=roots, require_client_auth=roots is not None)


def _check_readable(tls: TlsSettings) -> None:
    """GRPC says nothing of files that it can't use; OpenSSL does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for file in filter(None, (tls.certificate, tls.key, tls.client_ca)):
        if not file.is_file():
            raise OSError(f"there is no file {file}")
    try:
        context.load_cert_chain(str(tls.certificate), str(tls.key))
        if tls.client_ca:
            context.load_verify_locations(str(tls.client_ca))
    except ssl.SSLError as error:
        raise OSError(f"the files of server.tls can't be used as certificate, key and client_ca: {error}") from error
