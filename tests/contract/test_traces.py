"""What traces show of batches and errors, with a real Temporal server."""

import asyncio
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from conftest import converter, new_tenant
from contract.test_group_commit import entries
from trenova import tracing
from trenova.config import Settings
from trenova.errors import InvalidConfiguration
from trenova.ingest import GroupCommit
from trenova.runtime.connection import connect
from trenova.tracing.opentelemetry import OpenTelemetry

SAMPLED, NOT_SAMPLED = "01", "00"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch, exporter: InMemorySpanExporter) -> Iterator[OpenTelemetry]:
    tracer = OpenTelemetry("test", exporter)
    monkeypatch.setattr(tracing, "current", tracer)
    yield tracer
    tracer.provider.shutdown()


async def test_a_batch_is_a_child_of_its_first_sampled_request_and_linked_to_the_others(
    traces: OpenTelemetry, exporter: InMemorySpanExporter, settings: Settings
) -> None:
    commit = GroupCommit(await connect(settings.temporal, converter()))
    tenant = new_tenant()

    async def request(number: int, flag: str) -> None:
        caller = f"00-{number:032x}-{number:016x}-{flag}"
        with traces.request("POST", [(b"traceparent", caller.encode())]):
            await commit.add(entries(tenant, 1))

    # The first is sent at once; the others gather in the meantime.
    flags = {1: SAMPLED, 2: NOT_SAMPLED, 3: SAMPLED, 4: SAMPLED}
    await asyncio.gather(*(request(number, flag) for number, flag in flags.items()))
    traces.provider.force_flush()
    spans = exporter.get_finished_spans()
    requests = {span.context.trace_id: span for span in spans if span.name == "POST"}
    batches = {span.context.trace_id: span for span in spans if span.name == "start batch"}
    assert requests.keys() == {1, 3, 4}
    assert batches.keys() == {1, 3}
    for trace_id, batch in batches.items():
        assert batch.parent is not None
        assert batch.parent.span_id == requests[trace_id].context.span_id
    assert [link.context.trace_id for link in batches[1].links] == []
    assert [link.context.trace_id for link in batches[3].links] == [4, 2]
    starts = [span for span in spans if span.name == "StartWorkflow:ProcessAuditBatchWorkflow"]
    assert {span.context.trace_id for span in starts} == {1, 3}


def test_the_text_of_an_error_is_not_exported(traces: OpenTelemetry, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="content"), traces.append():
        raise ValueError("content of an entry")
    traces.provider.force_flush()
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.name == "append"
    assert "content" not in span.to_json()


def test_unknown_methods_and_invalid_headers_are_not_exported(
    traces: OpenTelemetry, exporter: InMemorySpanExporter
) -> None:
    with traces.request("SECRET", [(b"traceparent", b"\xff"), (b"tracestate", b"\xff"), (b"x", b"\xff")]):
        pass
    traces.provider.force_flush()
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.parent) == ("_OTHER", None)
    assert "SECRET" not in span.to_json()


def test_without_opentelemetry_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tracing.current
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "trenova.tracing.opentelemetry")
    with pytest.raises(InvalidConfiguration) as caught:
        tracing.start("api")
    assert "OpenTelemetry is not installed" in str(caught.value)
    assert "requirements/otel.txt" in str(caught.value.hint)
    assert tracing.current is before
