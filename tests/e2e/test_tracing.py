"""Tracing sends a span of each call to an OTLP collector: a real one-method collector in this process receives it."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from savor.client import connect
from tests.serving import folder, process


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self) -> None:
        self.names: list[str] = []

    def Export(self, request, context):
        spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
        self.names += [span.name for span in spans]
        return trace_service_pb2.ExportTraceServiceResponse()


def test_a_call_becomes_a_span() -> None:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    environment = {
        "SAVOR_TRACING": "true",
        "SAVOR_SERVER__DRAIN_DELAY_S": "0",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
    }
    with process(str(folder("classifier")), environment=environment) as savor:
        with connect(savor.target) as client:
            assert client.classify_text("hello").results
        assert savor.terminate() == 0
    server.stop(None)
    assert any(name.endswith("TextClassificationService/ClassifyText") for name in collector.names), collector.names
