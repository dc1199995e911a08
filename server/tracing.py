"""OpenTelemetry spans of calls, where the operator asks for them: one for each RPC, sent by OTLP over gRPC.

Where they go is OpenTelemetry's own configuration: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME and the rest.
"""

from collections.abc import Callable, Sequence
from typing import Any


class TracingUnavailable(ImportError):
    """Tracing was asked for, and its packages are not installed."""


def tracing() -> tuple[Sequence[Any], Callable[[], None]]:
    """The interceptors that make a span of each call, and what sends the last spans on their way.

    Raises TracingUnavailable where savor[otel] is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.grpc import aio_server_interceptor
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise TracingUnavailable(f"tracing needs the package {error.name}: pip install 'savor[otel]'") from error
    provider = TracerProvider(resource=Resource.create({"service.name": "savor"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return [aio_server_interceptor(tracer_provider=provider)], provider.shutdown
