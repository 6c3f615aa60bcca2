"""The keys of closed workflows. Reconciliation reads the inputs of their batches; people read the rest.

Temporal removes a history when the namespace's retention is over, counted from the end of the workflow. It uses the
retention set at that end: after a change of the retention, the times reported here for older workflows are wrong.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from trenova.codec.encryption import ENCRYPTED
from trenova.codec.key_usage.open_workflows import FROM_PREVIOUS_RUN, key_id_of, payloads_in, read_history
from trenova.codec.key_usage.report import KeyUse, PlaceReport
from trenova.codec.layer import encoding_of
from trenova.config import TASK_QUEUE

NAME = "closed workflows"
CLOSED = f"CloseTime IS NOT NULL AND TaskQueue = '{TASK_QUEUE}'"
# Each one costs a call, so there is a limit on their number and on the time.
MAX_WORKFLOWS, TIME_LIMIT_S = 10_000, 30.0
AT_ONCE = 10


async def examine_closed_workflows(client: Client, *, most: int = MAX_WORKFLOWS) -> PlaceReport:
    """The keys in the histories of at most `most` closed workflows, the latest first."""
    try:
        retention = await read_retention(client)
    except RPCError as error:
        return PlaceReport(name=NAME, unseen=f"Temporal does not report the namespace's retention: {error.message}")
    uses: dict[str, KeyUse] = {}
    seen: list[WorkflowExecution] = []
    in_part, more, end = 0, False, time.monotonic() + TIME_LIMIT_S
    try:
        chunk: list[WorkflowExecution] = []
        async for run in client.list_workflows(CLOSED, limit=most + 1):
            if more := len(seen) + len(chunk) == most or bool(seen and time.monotonic() > end):
                break
            chunk.append(run)
            if len(chunk) == AT_ONCE:
                in_part += await add_keys(client, chunk, retention, uses)
                seen, chunk = [*seen, *chunk], []
        in_part += await add_keys(client, chunk, retention, uses)
    except RPCError as error:
        return PlaceReport(
            name=NAME, uses=uses, looked_at=len(seen), unseen=f"Temporal does not list them: {error.message}"
        )
    seen += chunk
    unseen = not_seen(len(seen), closed_at(seen[-1]), retention) if more else None
    if in_part:
        unseen = "; ".join([*([unseen] if unseen else []), f"{in_part:,} of them could not be read to their end"])
    return PlaceReport(name=NAME, uses=uses, looked_at=len(seen), unseen=unseen)


async def read_retention(client: Client) -> timedelta:
    namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    return namespace.config.workflow_execution_retention_ttl.ToTimedelta()


async def add_keys(
    client: Client, runs: Sequence[WorkflowExecution], retention: timedelta, uses: dict[str, KeyUse]
) -> int:
    """Add the keys of these runs to `uses`; return how many of the runs could not be read completely."""
    histories = await asyncio.gather(*(read_history(client, run.id, run.run_id) for run in runs))
    for run, (events, _) in zip(runs, histories, strict=True):
        payloads = [payload for event in events for payload in payloads_in(event, FROM_PREVIOUS_RUN)]
        for key_id in {key_id_of(payload) for payload in payloads if is_encrypted(payload)}:
            until, before = closed_at(run) + retention, uses.get(key_id)
            if before is None:
                uses[key_id] = KeyUse(count=1, until=until)
            else:
                uses[key_id] = KeyUse(count=before.count + 1, until=max(before.until or until, until))
    return sum(not is_whole for _, is_whole in histories)


def is_encrypted(payload: Payload) -> bool:
    return encoding_of(payload) == ENCRYPTED


def closed_at(run: WorkflowExecution) -> datetime:
    return run.close_time or datetime.now(UTC)


def not_seen(looked_at: int, oldest: datetime, retention: timedelta) -> str:
    return (
        f"only the {looked_at:,} latest were looked at, back to {oldest:%Y-%m-%d %H:%M} UTC; "
        f"by today's retention the others are kept until {oldest + retention:%Y-%m-%d %H:%M} UTC at the latest"
    )
