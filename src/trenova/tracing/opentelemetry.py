"""Enabled tracing. OpenTelemetry's own variables set the collector, the sampling and the service name."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from temporalio.contrib.opentelemetry import TracingInterceptor

from trenova.tracing import Answer, Headers, Origin, Tracing

# Any other method is arbitrary text of a client.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SERVER_ERROR = 500


def collector() -> SpanExporter:
    return OTLPSpanExporter()


class OpenTelemetry(Tracing):
    """Spans of this process, sent by a background thread; those that cannot be sent are dropped.

    A crash loses only the spans of the last seconds. A process that ends normally sends them first.
    """

    def __init__(self, part: str, exporter: SpanExporter) -> None:
        resource = Resource.create({SERVICE_NAME: f"trenova-{part}"}).merge(OTELResourceDetector().detect())
        # Not the global provider: libraries that look for one find none, and add no spans.
        self.provider = TracerProvider(resource=resource)
        self.provider.add_span_processor(BatchSpanProcessor(WithoutErrorText(exporter)))
        self.tracer = self.provider.get_tracer("trenova")

    @contextmanager
    def request(self, method: str, headers: Headers) -> Iterator[Answer]:
        method_name = method if method in METHODS else "_OTHER"
        # No baggage: it would travel through Temporal in plain text.
        caller = TraceContextTextMapPropagator().extract(
            {name.decode(): value.decode() for name, value in trace_headers(headers)}
        )
        answer = Answer()
        with self.tracer.start_as_current_span(
            method_name, caller, kind=SpanKind.SERVER, attributes={"http.request.method": method_name}
        ) as span:
            try:
                yield answer
            finally:
                if answer.route is not None:
                    span.update_name(f"{method_name} {answer.route}")
                    span.set_attribute("http.route", answer.route)
                if answer.status is not None:
                    span.set_attribute("http.response.status_code", answer.status)
                    if answer.status >= SERVER_ERROR:
                        span.set_status(StatusCode.ERROR)

    def origin(self) -> Origin:
        span = trace.get_current_span().get_span_context()
        return span if span.is_valid else None

    def batch(self, origins: Iterable[Origin]) -> AbstractContextManager[object]:
        # A sampled request comes first, or the trace of its caller would end where the batch begins.
        requests: list[SpanContext] = sorted(filter(None, origins), key=lambda each: not each.trace_flags.sampled)
        parent = trace.set_span_in_context(NonRecordingSpan(requests[0])) if requests else None
        return self.tracer.start_as_current_span("start batch", parent, links=[Link(each) for each in requests[1:]])

    def append(self) -> AbstractContextManager[object]:
        return self.tracer.start_as_current_span(
            "append", kind=SpanKind.CLIENT, attributes={"db.system.name": "postgresql"}
        )

    def interceptors(self) -> Sequence[TracingInterceptor]:
        return [TracingInterceptor(self.tracer)]


def trace_headers(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    return ((name, value) for name, value in headers if name in {b"traceparent", b"tracestate"} and value.isascii())


class WithoutErrorText(SpanExporter):
    """Removes the text of errors, which may quote an entry; a trace must not hold content."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.exporter.export([without_error_text(span) for span in spans])

    def shutdown(self) -> None:
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.exporter.force_flush(timeout_millis)


def without_error_text(span: ReadableSpan) -> ReadableSpan:
    """The span without its events and without the description of its status."""
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
