"""The runtime of Temporal's SDK, with worker heartbeats, and with its metrics on our own metrics page.

The SDK's metrics are in Rust, and it serves them on its own port. Here that is an unpublished port of the loopback
address: our metrics page fetches them and adds them to its own, so that a process has one page.
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

from trenova.runtime.http.loopback import loopback_client

LOOPBACK = "127.0.0.1"
# Keeps each runtime until the process ends. Dropping the last reference waits for the SDK's threads while it holds the
# interpreter, and a thread that is about to deliver the end of a cancelled call waits for the interpreter: the process
# would never end. Without this, the last reference was that of the very call which the end of the loop cancels.
STARTED: list[Runtime] = []
ATTEMPTS = 5
FETCH_LIMIT_S = 2.0
# After this time `temporal worker list` shows a lost worker.
HEARTBEAT = timedelta(seconds=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkRuntime:
    """The SDK's runtime and the URL of its metrics; None if they are off."""

    runtime: Runtime
    metrics_url: str | None = None

    async def metrics(self) -> bytes:
        """The SDK's metrics in Prometheus' text format; empty if it does not answer.

        Names begin with `temporal_`; durations are in seconds.
        """
        if self.metrics_url is None:
            return b""
        try:
            async with loopback_client(timeout_s=FETCH_LIMIT_S) as http:
                return (await http.get(self.metrics_url)).content
        except httpx.HTTPError:
            return b""


def telemetry_config(metrics: PrometheusConfig | None = None) -> TelemetryConfig:
    """The SDK's log lines are forwarded to our logging, so that all lines of a process look the same."""
    forwarded = LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core")),
    )
    return TelemetryConfig(metrics=metrics, logging=forwarded, attach_service_name=False)


def start(*, with_metrics: bool) -> SdkRuntime:
    """Start the SDK's runtime and its threads, once per process. It lives as long as the process."""
    sdk = new_runtime(with_metrics=with_metrics)
    STARTED.append(sdk.runtime)
    return sdk


def new_runtime(*, with_metrics: bool) -> SdkRuntime:
    if not with_metrics:
        return SdkRuntime(runtime=Runtime(telemetry=telemetry_config(), worker_heartbeat_interval=HEARTBEAT))
    for attempts_left in reversed(range(ATTEMPTS)):
        address = f"{LOOPBACK}:{free_port()}"
        metrics = PrometheusConfig(
            bind_address=address, counters_total_suffix=True, unit_suffix=True, durations_as_seconds=True
        )
        try:
            runtime = Runtime(telemetry=telemetry_config(metrics), worker_heartbeat_interval=HEARTBEAT)
        except ValueError:
            # Another process has taken the port.
            if not attempts_left:
                raise
        else:
            return SdkRuntime(runtime=runtime, metrics_url=f"http://{address}/metrics")
    raise AssertionError("the last attempt returns or raises")


def free_port() -> int:
    """A port that is free now. The SDK does not report which one it chose for port 0."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
