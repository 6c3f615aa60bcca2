"""The connection to Temporal, step by step: name, port, TLS, server, credentials, namespace; and Temporal's clock.

The messages are those of `trenova.runtime.connection`, as in the worker and the API.
"""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    DescribeTaskQueueRequest,
    GetClusterInfoRequest,
    GetSystemInfoRequest,
    PollWorkflowTaskQueueRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from trenova.doctor.checkup import Check
from trenova.doctor.clock import clock_verdict, skew
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failure, not_checked, ok, warning
from trenova.runtime.connection import explain, steps
from trenova.runtime.connection.causes import UNAUTHORIZED
from trenova.runtime.connection.certificates import first_certificate
from trenova.runtime.connection.own_time import own_timeout
from trenova.runtime.connection.target import Target
from trenova.runtime.phrases import span

RENEW_BEFORE = timedelta(days=14)
# An unused queue, polled for a moment: the server records each poller with the time of its own clock.
CLOCK_QUEUE = "trenova-doctor-clock"
POLL_LIMIT = timedelta(seconds=10)
DESCRIBE_EVERY_S = 0.05


async def check_name(context: CheckContext) -> Verdict:
    target = Target.of(context.client)
    return ok(f"{target.host} is {', '.join(await steps.resolve_host(target))}")


async def check_port(context: CheckContext) -> Verdict:
    target = Target.of(context.client)
    await steps.check_port(target)
    return ok(f"{target.address} accepts connections")


async def check_tls(context: CheckContext) -> Verdict:
    """Whether both ends agree on TLS, and whether the certificates are valid and for how long."""
    target = Target.of(context.client)
    expires = await steps.check_tls(target)
    if expires is None:
        return ok("is off at both ends")
    ends = {"the server's certificate": expires}
    if target.tls is not None and target.tls.client_cert is not None:
        own = first_certificate(target.tls.client_cert)
        assert own is not None, "a client with an unreadable certificate is never created"
        ends["the client certificate (temporal.tls.certFile)"] = own.not_valid_after_utc
    return expiry_verdict(ends)


def expiry_verdict(ends: dict[str, datetime]) -> Verdict:
    what, end = min(ends.items(), key=lambda item: item[1])
    left = end - datetime.now(UTC)
    if left < RENEW_BEFORE:
        return warning(f"{what} expires on {end:%Y-%m-%d}, in {span(left)}", "renew it before that day")
    return ok(f"verified; the first certificate expires on {end:%Y-%m-%d}")


async def check_dial(context: CheckContext) -> Verdict:
    """Whether the first call of a connection, which needs no namespace, succeeds."""
    try:
        async with own_timeout(steps.LIMIT_S):
            await context.client.workflow_service.get_system_info(GetSystemInfoRequest())
    except (RPCError, RuntimeError, TimeoutError) as error:
        raise await explain(context.client, error) from None
    return ok("answers")


async def check_server(context: CheckContext) -> Verdict:
    """Its version, and whether it has the capabilities that this program needs."""
    info = await context.client.workflow_service.get_system_info(GetSystemInfoRequest())
    missing = [
        capability
        for capability, is_supported in (
            ("schedules", info.capabilities.supports_schedules),
            ("encoded failures", info.capabilities.encoded_failure_attributes),
        )
        if not is_supported
    ]
    if missing:
        return failure(
            f"server {info.server_version} lacks {' and '.join(missing)}",
            "update the Temporal server, one minor version at a time",
        )
    return ok(f"server {info.server_version}{await storage_suffix(context)}, with schedules and encoded failures")


async def storage_suffix(context: CheckContext) -> str:
    try:
        cluster = await context.client.workflow_service.get_cluster_info(GetClusterInfoRequest())
    except RPCError:
        return ""  # not available to this client, as on Temporal Cloud
    return f" on {cluster.persistence_store}" if cluster.persistence_store else ""


async def check_credentials(context: CheckContext) -> Verdict:
    try:
        await describe_namespace(context)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise await explain(context.client, error) from None
    target = Target.of(context.client)
    if target.has_api_key:
        return ok("the API key is valid")
    return ok("the client certificate is accepted" if target.has_certificate else "none configured, none required")


async def describe_namespace(context: CheckContext) -> DescribeNamespaceResponse:
    request = DescribeNamespaceRequest(namespace=context.settings.temporal.namespace)
    return await context.client.workflow_service.describe_namespace(request)


async def check_namespace(context: CheckContext) -> Verdict:
    try:
        description = await describe_namespace(context)
    except RPCError as error:
        raise await explain(context.client, error) from None
    retention = description.config.workflow_execution_retention_ttl.ToTimedelta()
    return ok(f"{context.client.namespace}, which keeps closed workflows for {span(retention)}")


async def check_clock(context: CheckContext) -> Verdict:
    try:
        apart = await measure_skew(context.client, lambda: datetime.now(UTC))
    except TimeoutError:
        return not_checked("Temporal did not list a poll of a task queue, from which its time is read")
    except RPCError as error:
        if error.status in UNAUTHORIZED:
            return not_checked("these credentials may not poll a task queue, from which Temporal's time is read")
        raise
    return clock_verdict("Temporal's", apart)


async def measure_skew(client: Client, now: Callable[[], datetime]) -> timedelta:
    """How far Temporal's clock is ahead of this machine's; zero where the difference is less than the answer took.

    Temporal has no call that returns its time. So poll an unused queue, and read when the server says the poll was.
    Raises TimeoutError if the server does not list the poll.
    """
    queue, identity = TaskQueue(name=CLOCK_QUEUE), str(uuid.uuid4())
    poll = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity=identity)
    before = now()
    polling = asyncio.ensure_future(client.workflow_service.poll_workflow_task_queue(poll, timeout=POLL_LIMIT))
    try:
        async with asyncio.timeout(POLL_LIMIT.total_seconds()):
            while True:
                request = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=queue)
                description = await client.workflow_service.describe_task_queue(request)
                for poller in description.pollers:
                    if poller.identity == identity:
                        return skew(poller.last_access_time.ToDatetime(tzinfo=UTC), before, now())
                if polling.done():
                    polling.result()
                await asyncio.sleep(DESCRIBE_EVERY_S)
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)


CHECKS = (
    Check("temporal name", Kind.TEMPORAL, check_name, own_limit_s=None),
    Check("temporal port", Kind.TEMPORAL, check_port, ("temporal name",)),
    Check("temporal TLS", Kind.TEMPORAL, check_tls, ("temporal port",)),
    Check("temporal dial", Kind.TEMPORAL, check_dial, ("temporal TLS",)),
    Check("temporal server", Kind.TEMPORAL, check_server, ("temporal dial",)),
    Check("temporal credentials", Kind.TEMPORAL, check_credentials, ("temporal dial",)),
    Check("temporal namespace", Kind.TEMPORAL, check_namespace, ("temporal credentials",)),
    Check("temporal clock", Kind.MACHINE, check_clock, ("temporal namespace",)),
)
