"""Traces from a request to the database, as a collector receives them; off by default."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from acceptance.conftest import entry_of
from acceptance.encrypted import STRICT, Program, Site, encrypting, new_key, start_site
from conftest import new_tenant
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres

# From the transaction up to the request.
WAY = [
    "append",
    "RunActivity:StoreAuditBatch",
    "StartActivity:StoreAuditBatch",
    "StartWorkflow:ProcessAuditBatchWorkflow",
    "start batch",
    "POST /v1/entries",
]

# All but OpenTelemetry's API: its SDK, its exporters, and Temporal's interceptor.
COSTLY = (
    "opentelemetry.sdk",
    "opentelemetry.exporter",
    "opentelemetry.proto",
    "temporalio.contrib.opentelemetry",
    "trenova.tracing.opentelemetry",
)


@dataclass
class Collector:
    """Receives spans by OTLP over HTTP."""

    url: str
    received: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> dict[bytes, tuple[str, Span]]:
        """Service name and span, by span id."""
        found = {}
        for body in self.received:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                (service,) = [
                    each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
                ]
                for scope in resource.scope_spans:
                    found.update({span.span_id: (service, span) for span in scope.spans})
        return found

    def span_of(self, name: str, trace_id: bytes) -> Span:
        """A span of this name; there may be several, because a slow machine repeats attempts."""
        return next(span for _, span in self.spans.values() if span.name == name and span.trace_id == trace_id)


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def imported_modules(program: Program) -> set[str]:
    """The modules that a program imported, from the lines `import time: self | all | name` that Python wrote."""
    lines = program.log.read_text().splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


def exported_to(url: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": url}


def with_tracing(url: str) -> dict[str, str]:
    return {"TRENOVA_TELEMETRY__TRACES": "true", **exported_to(url)}


async def store_one(site: Site, tenant: str, comment: str, **headers: str) -> None:
    async with site.client() as client:
        entry = entry_of(tenant=tenant, comment=comment)
        answer = await client.post("/v1/entries?wait=stored", json=[entry], headers=headers)
        assert answer.status_code == 201, answer.text


async def test_a_trace_leads_from_the_callers_span_to_the_transaction_and_contains_no_content_of_the_entry(
    folder: Path, postgres: Postgres, collector: Collector
) -> None:
    trace, caller = uuid.uuid4(), b"\x17" * 8
    tenant, marker, baggage = new_tenant(), f"marker-{uuid.uuid4().hex}", f"baggage-{uuid.uuid4().hex}"
    async with start_site(folder, postgres) as site:
        # As in production: the trace context must pass although strict mode refuses plain payloads.
        strict = {**encrypting("k1", k1=new_key()), **STRICT, **with_tracing(collector.url)}
        async with site.running(["api", "worker"], strict):
            headers = {"traceparent": f"00-{trace.hex}-{caller.hex()}-01", "baggage": f"word={baggage}"}
            await store_one(site, tenant, marker, **headers)
            async with site.client() as client:
                assert (await client.get(f"/{marker}")).status_code == 404
                assert (await client.get("/v1/entries", params={"tenant": tenant})).status_code == 200
        key = site.api_key

    spans = collector.spans
    at, way = collector.span_of("append", trace.bytes), []
    while at.span_id in spans:
        assert at.trace_id == trace.bytes
        way.append(at.name)
        parent = at.parent_span_id
        at = spans[parent][1] if parent in spans else Span(span_id=parent)
    assert way == WAY
    assert at.span_id == caller
    for name in ("RunWorkflow:ProcessAuditBatchWorkflow", "CompleteWorkflow:ProcessAuditBatchWorkflow"):
        beside = collector.span_of(name, trace.bytes)
        assert spans[beside.parent_span_id][1].name == "StartWorkflow:ProcessAuditBatchWorkflow"

    request = collector.span_of("POST /v1/entries", trace.bytes)
    assert {each.key: each.value.string_value or each.value.int_value for each in request.attributes} == {
        "http.request.method": "POST",
        "http.route": "/v1/entries",
        "http.response.status_code": 201,
    }
    assert {(service, span.name) for service, span in spans.values() if span.name in {"append", *WAY[-3:]}} == {
        ("trenova-worker", "append"),
        *(("trenova-api", name) for name in WAY[-3:]),
    }
    assert {"GET", "GET /v1/entries"} <= {span.name for _, span in spans.values()}
    everything = b"".join(collector.received)
    assert [word for word in (marker, baggage, tenant, key) if word.encode() in everything] == []


async def test_by_default_nothing_is_sent_and_the_opentelemetry_sdk_is_not_imported(
    folder: Path, postgres: Postgres, collector: Collector
) -> None:
    # With this variable Python writes every imported module to standard error.
    variables = {"PYTHONPROFILEIMPORTTIME": "1", **exported_to(collector.url)}
    async with start_site(folder, postgres) as site:
        async with site.running(["api", "worker"], variables) as programs:
            await store_one(site, new_tenant(), "not traced", traceparent=f"00-{uuid.uuid4().hex}-{'17' * 8}-01")
        api, worker = (imported_modules(program) for program in programs)
    assert {"temporalio.worker", "trenova.tracing"} <= worker
    assert {name for name in worker if "opentelemetry" in name} == set()
    # Litestar imports its API if that is installed, which it is not in the image.
    assert {"litestar.app", "trenova.tracing"} <= api
    assert {name for name in api if name.startswith(COSTLY)} == set()
    assert collector.received == []


async def test_an_unreachable_collector_prevents_neither_storing_nor_a_clean_stop(
    folder: Path, postgres: Postgres
) -> None:
    async with start_site(folder, postgres) as site:
        async with site.running(["api", "worker"], with_tracing(f"http://127.0.0.1:{choose()}")) as programs:
            await store_one(site, new_tenant(), "stored all the same")
        assert [program.process.returncode for program in programs] == [0, 0]
