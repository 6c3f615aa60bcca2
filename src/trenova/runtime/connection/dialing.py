"""The Temporal client that every process and command uses, and a call that checks whether Temporal answers it."""

import asyncio
from datetime import timedelta
from functools import partial

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from trenova import tracing
from trenova.config import TemporalSettings
from trenova.runtime.connection.causes import explain, is_about_namespace
from trenova.runtime.connection.certificates import tls_of

# For the connection and the first answer, on a machine under load. The SDK itself has no limit.
LIMIT = timedelta(seconds=20)
# No workflow has this id. To answer so, Temporal must query its database, which its health check does not do.
MISSING_WORKFLOW = "trenova-probe"
ANSWER_STATUSES = {RPCStatusCode.NOT_FOUND, RPCStatusCode.RESOURCE_EXHAUSTED}


async def connect(
    temporal: TemporalSettings, data_converter: DataConverter, *, lazy: bool = False, runtime: Runtime | None = None
) -> Client:
    """A client for the configured server, once that has answered for the namespace.

    Raises TemporalUnreachable or TemporalDenied with the cause, and InvalidConfiguration for unusable certificates.

    `lazy`: connect with the first call instead, so that a process can start before Temporal does.
    """
    make = partial(
        Client.connect,
        temporal.host_port,
        namespace=temporal.namespace,
        api_key=temporal.api_key.get_secret_value() if temporal.api_key else None,
        tls=tls_of(temporal.tls),
        rpc_metadata={name: value.get_secret_value() for name, value in temporal.grpc_meta.items()},
        data_converter=data_converter,
        runtime=runtime,
        interceptors=tracing.current.interceptors(),
    )
    lazy_client = await make(lazy=True)
    if lazy:
        return lazy_client
    try:
        async with asyncio.timeout(LIMIT.total_seconds()):
            # A second client: workers do not accept one that was created lazily, even after it has connected.
            client = await make()
    except (RuntimeError, TimeoutError) as error:
        raise await explain(lazy_client, error) from None
    await check_reachable(client)
    return client


async def check_reachable(client: Client, limit: timedelta = LIMIT) -> None:
    """Return when Temporal answers for the client's namespace. Raises TemporalUnreachable or TemporalDenied."""
    try:
        await probe(client, limit)
    except (RPCError, RuntimeError, TimeoutError) as error:
        raise await explain(client, error, limit_s=limit.total_seconds()) from None


async def probe(client: Client, limit: timedelta) -> None:
    """Make a small call that Temporal can answer only with the help of its database, in our namespace.

    Raises RPCError, TimeoutError, and RuntimeError when the first connection fails. "Too many requests" counts as an
    answer.
    """
    request = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=MISSING_WORKFLOW)
    )
    try:
        # The timeout of the call does not cover a connection that must be made first.
        async with asyncio.timeout(limit.total_seconds()):
            await client.workflow_service.describe_workflow_execution(request, timeout=limit)
    except RPCError as error:
        if error.status not in ANSWER_STATUSES or is_about_namespace(error):
            raise
