"""What a trace says of batches and errors, on the real way into Temporal."""

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
def told() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, told: InMemorySpanExporter) -> Iterator[OpenTelemetry]:
    traces = OpenTelemetry("test", told)
    monkeypatch.setattr(tracing, "current", traces)
    yield traces
    traces.provider.shutdown()


async def test_a_batch_is_a_child_of_its_first_sampled_request_and_linked_to_the_others(
    on: OpenTelemetry, told: InMemorySpanExporter, settings: Settings
) -> None:
    commit = GroupCommit(await connect(settings.temporal, converter()))
    tenant = new_tenant()

    async def request(number: int, flag: str) -> None:
        caller = f"00-{number:032x}-{number:016x}-{flag}"
        with on.request("POST", [(b"traceparent", caller.encode())]):
            await commit.add(entries(tenant, 1))

    # The first leaves at once, the others gather meanwhile.
    flags = {1: SAMPLED, 2: NOT_SAMPLED, 3: SAMPLED, 4: SAMPLED}
    await asyncio.gather(*(request(number, flag) for number, flag in flags.items()))
    on.provider.force_flush()
    spans = told.get_finished_spans()
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


def test_of_an_error_only_that_there_was_one_is_told(on: OpenTelemetry, told: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="content"), on.append():
        raise ValueError("content of an entry")
    on.provider.force_flush()
    (span,) = told.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.name == "append"
    assert "content" not in span.to_json()


def test_a_method_that_nobody_knows_and_headers_that_are_none_are_not_repeated(
    on: OpenTelemetry, told: InMemorySpanExporter
) -> None:
    with on.request("SECRET", [(b"traceparent", b"\xff"), (b"tracestate", b"\xff"), (b"x", b"\xff")]):
        pass
    on.provider.force_flush()
    (span,) = told.get_finished_spans()
    assert (span.name, span.parent) == ("_OTHER", None)
    assert "SECRET" not in span.to_json()


def test_without_opentelemetry_a_process_that_is_to_trace_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tracing.current
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "trenova.tracing.opentelemetry")
    with pytest.raises(InvalidConfiguration) as caught:
        tracing.start("api")
    assert "OpenTelemetry is not installed" in str(caught.value)
    assert "requirements/otel.txt" in str(caught.value.hint)
    assert tracing.current is before
