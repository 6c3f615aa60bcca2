"""Temporal's SDK as a process of ours runs it: with heartbeats, and with what it measures on our own metrics page.

The SDK measures in Rust, and shows it on a port that it opens itself. Here that is one of the loopback address that
nobody is told of: our page fetches it and adds its own lines, so that a process has one page. May import: nothing.
"""

import logging
import socket
from dataclasses import dataclass
from datetime import timedelta

import httpx
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

LOOPBACK = "127.0.0.1"
ATTEMPTS = 5
FETCH_LIMIT_S = 2.0
# With this age `temporal worker list` shows a worker that has gone.
HEARTBEAT = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkRuntime:
    """The SDK's runtime, and where its metrics are; None where nobody asks for them."""

    runtime: Runtime
    metrics_url: str | None = None

    async def metrics(self) -> bytes:
        """Its metrics in Prometheus' text format; empty when it does not answer, and the rest of a page is there.

        Names begin with `temporal_`; durations are in seconds.
        """
        if self.metrics_url is None:
            return b""
        try:
            # Never a proxy's business; and over plain HTTP there is no certificate to check, and no store to load.
            async with httpx.AsyncClient(trust_env=False, verify=False, timeout=FETCH_LIMIT_S) as http:  # noqa: S501
                return (await http.get(self.metrics_url)).content
        except httpx.HTTPError:
            return b""


def telemetry_config(metrics: PrometheusConfig | None = None) -> TelemetryConfig:
    """What the SDK writes comes as log records of ours, so that all lines of a process look the same."""
    written = LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core")),
    )
    return TelemetryConfig(metrics=metrics, logging=written, attach_service_name=False)


def start(*, with_metrics: bool) -> SdkRuntime:
    """A runtime of its own threads: one for each process."""
    if not with_metrics:
        return SdkRuntime(runtime=Runtime(telemetry=telemetry_config(), worker_heartbeat_interval=HEARTBEAT))
    for tries_left in reversed(range(ATTEMPTS)):
        address = f"{LOOPBACK}:{free_port()}"
        shown = PrometheusConfig(
            bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
        )
        try:
            runtime = Runtime(telemetry=telemetry_config(shown), worker_heartbeat_interval=HEARTBEAT)
        except ValueError:
            # Somebody was quicker to take the port.
            if not tries_left:
                raise
        else:
            return SdkRuntime(runtime=runtime, metrics_url=f"http://{address}/metrics")
    raise AssertionError("the last try returns or raises")


def free_port() -> int:
    """A port that is free now; the SDK does not tell which one it took for 0."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
