"""The client of Temporal that every process and command of ours has, and the question whether it gets through."""

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

# For the connection and the first answer, on a machine under load. The SDK itself would wait for ever.
LIMIT = timedelta(seconds=20)
# There is no such workflow. To say so Temporal must look into its database, which its health check does not.
NOBODY = "trenova-probe"
ANSWERED = {RPCStatusCode.NOT_FOUND, RPCStatusCode.RESOURCE_EXHAUSTED}


async def connect(
    temporal: TemporalSettings, data_converter: DataConverter, *, lazy: bool = False, runtime: Runtime | None = None
) -> Client:
    """A client for the configured server, which has answered for the namespace.

    Raises TemporalUnreachable when it cannot be reached, TemporalDenied when it refuses us, each with its cause; and
    InvalidConfiguration for certificates that are none.

    `lazy`: connect with the first call instead, so that a process can be up before Temporal is.
    """
    make = partial(
        Client.connect,
        temporal.host_port,
        namespace=temporal.namespace,
        api_key=temporal.api_key.get_secret_value() if temporal.api_key else None,
        tls=tls_of(temporal.tls),
        rpc_metadata=dict(temporal.grpc_meta),
        data_converter=data_converter,
        runtime=runtime,
        interceptors=tracing.current.interceptors(),
    )
    waits = await make(lazy=True)
    if lazy:
        return waits
    try:
        async with asyncio.timeout(LIMIT.total_seconds()):
            # Another one: workers refuse a client that was made lazily, although it has connected since.
            client = await make()
    except (RuntimeError, TimeoutError) as error:
        raise await explain(waits, error) from None
    await reach(client)
    return client


async def reach(client: Client, limit: timedelta = LIMIT) -> None:
    """Return when Temporal answers for the client's namespace. Raises TemporalUnreachable or TemporalDenied."""
    try:
        await ask(client, limit)
    except (RPCError, RuntimeError, TimeoutError) as error:
        raise await explain(client, error, limit_s=limit.total_seconds()) from None


async def ask(client: Client, limit: timedelta) -> None:
    """A small question that goes the whole way to Temporal's database, in our namespace.

    Raises RPCError, RuntimeError where a first connection fails, TimeoutError. Too many requests are an answer, too.
    """
    question = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=NOBODY)
    )
    try:
        # The call's own limit does not cover a connection that is made first.
        async with asyncio.timeout(limit.total_seconds()):
            await client.workflow_service.describe_workflow_execution(question, timeout=limit)
    except RPCError as error:
        if error.status not in ANSWERED or is_about_namespace(error):
            raise
