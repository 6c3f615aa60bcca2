"""Schedules that start workflows on our queue: what they start them with, and what they hand on from run to run.

Ours start workflows without any input, and no run of theirs reads what the one before has left. The result of the last
verification is read for the metrics and by `trenova doctor`, until there is another.
"""

from datetime import UTC, datetime

from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import DescribeScheduleRequest, DescribeScheduleResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from trenova.cli.key_needs.need import Held, Place
from trenova.codec.encryption import ENCRYPTED
from trenova.codec.layer import encoding_of
from trenova.config import TASK_QUEUE
from trenova.domain.schedules import VERIFY_SCHEDULE, is_scheduled
from trenova.inflight import key_id_of, payloads_in, read_history

NAME = "schedules"
MOST_LOOKED_AT = 1_000


async def look(client: Client) -> Place:
    held: dict[str, Held] = {}
    looked_at = listed = in_part = 0
    try:
        async for entry in await client.list_schedules():
            if listed == MOST_LOOKED_AT:
                return Place(name=NAME, held=held, looked_at=looked_at, unseen=f"only {listed:,} were looked at")
            listed += 1
            found = await describe(client, entry.id)
            if found is None or found.schedule.action.start_workflow.task_queue.name != TASK_QUEUE:
                continue
            looked_at += 1
            note(held, [*payloads_in(found.schedule), *payloads_in(found.memo)], None)
            carried, is_whole = await carried_on(client, entry.id, found)
            in_part += not is_whole
            note(held, carried, next_time(found))
    except RPCError as error:
        return Place(
            name=NAME, held=held, looked_at=looked_at, unseen=f"Temporal does not tell of them: {error.message}"
        )
    unseen = f"the last run of {in_part:,} of them could not be read" if in_part else None
    return Place(name=NAME, held=held, looked_at=looked_at, unseen=unseen)


async def describe(client: Client, schedule_id: str) -> DescribeScheduleResponse | None:
    """As it lies in Temporal; None when it has been deleted meanwhile."""
    request = DescribeScheduleRequest(namespace=client.namespace, schedule_id=schedule_id)
    try:
        return await client.workflow_service.describe_schedule(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


async def carried_on(client: Client, name: str, found: DescribeScheduleResponse) -> tuple[list[Payload], bool]:
    """The result or the failure of its last runs that have ended, where somebody will read it."""
    if is_scheduled(found.schedule.action.start_workflow.workflow_id) and name != VERIFY_SCHEDULE:
        return [], True
    of_this = "TemporalScheduledById = '{}'".format(name.replace("'", "''"))
    payloads: list[Payload] = []
    all_read = True
    # A failure does not take the place of the last result: both are handed on.
    for status in ("Completed", "Failed"):
        async for run in client.list_workflows(f"{of_this} AND ExecutionStatus = '{status}'", limit=1):
            events, is_whole = await read_history(client, run.id, run.run_id)
            payloads += [payload for event in events[-1:] for payload in payloads_in(event)]
            all_read = all_read and is_whole
    return payloads, all_read


def note(held: dict[str, Held], payloads: list[Payload], until: datetime | None) -> None:
    """Add one for each key of a schedule's payloads. What has no end of its own outlasts what has."""
    for key_id in {key_id_of(payload) for payload in payloads if encoding_of(payload) == ENCRYPTED}:
        before = held.get(key_id)
        if before is None:
            held[key_id] = Held(count=1, until=until)
        else:
            ends = None if before.until is None or until is None else max(before.until, until)
            held[key_id] = Held(count=before.count + 1, until=ends)


def next_time(found: DescribeScheduleResponse) -> datetime | None:
    """When the next run is due; None for a schedule that is paused or over."""
    due = found.info.future_action_times
    return due[0].ToDatetime(tzinfo=UTC) if due and not found.schedule.state.paused else None
