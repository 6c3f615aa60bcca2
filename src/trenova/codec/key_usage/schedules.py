"""The keys of schedules that start workflows on our queue: for the input, and for what one run hands to the next.

Our schedules start workflows without input, and none of their runs reads what the previous run left. The metrics and
`trenova doctor` read the result of the last verification until there is a newer one. Every run of another program's
schedule reads both, and is stuck without their keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import DescribeScheduleRequest, DescribeScheduleResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from trenova.codec.encryption import ENCRYPTED
from trenova.codec.key_usage.open_workflows import (
    NEVER_DECODED,
    key_id_of,
    payloads_in,
    read_history,
    unreadable_reason,
)
from trenova.codec.key_usage.report import KeyUse, PlaceReport
from trenova.codec.layer import encoding_of
from trenova.config import TASK_QUEUE
from trenova.domain.schedules import VERIFY_SCHEDULE, is_scheduled

NAME, RESULTS = "schedules", "results of the nightly verification"
MAX_SCHEDULES = 1_000


@dataclass(frozen=True, slots=True)
class LastRunPayloads:
    """What the last completed and the last failed run of a schedule left for the next run."""

    payloads: Sequence[Payload]
    is_whole: bool
    """Whether all of it could be read."""
    has_completed: bool
    """Whether there is a completed run."""


@dataclass(slots=True)
class ScheduleScan:
    """The findings so far."""

    client: Client
    uses: dict[str, KeyUse] = field(default_factory=dict)
    results: dict[str, KeyUse] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    looked_at: int = 0
    in_part: int = 0
    """Schedules where not everything that the next run receives could be read."""
    results_in_part: int = 0

    async def add(self, name: str, description: DescribeScheduleResponse) -> None:
        self.looked_at += 1
        action, due = description.schedule.action.start_workflow, next_time(description)
        add_keys(self.uses, [*payloads_in(description.schedule), *payloads_in(description.memo)], None)
        await self.check_readable([*payloads_in(action, NEVER_DECODED)])
        if not is_scheduled(action.workflow_id):
            last = await read_last_run(self.client, name)
            add_keys(self.uses, last.payloads, due)
            await self.check_readable(last.payloads)
            self.in_part += not last.is_whole or (has_closed_runs(description) and not last.has_completed)
        elif name == VERIFY_SCHEDULE:
            last = await read_last_run(self.client, name)
            add_keys(self.results, last.payloads, due)
            self.results_in_part += not last.is_whole

    async def check_readable(self, payloads: Sequence[Payload]) -> None:
        """Record the reason for each key id with a payload that this process cannot decrypt."""
        for key_id in {*map(key_id_of, payloads)} - self.unreadable.keys():
            if reason := await unreadable_reason(self.client, [each for each in payloads if key_id_of(each) == key_id]):
                self.unreadable[key_id] = reason

    def places(self, unseen: str | None) -> list[PlaceReport]:
        """The schedules, then the results that no workflow waits for. `unseen`: why not all were examined."""
        left = f"what {self.in_part:,} of them hand on to their next run could not be read" if self.in_part else None
        return [
            PlaceReport(
                name=NAME,
                uses=self.uses,
                looked_at=self.looked_at,
                unreadable=self.unreadable,
                unseen="; ".join(filter(None, (unseen, left))) or None,
            ),
            PlaceReport(
                name=RESULTS,
                uses=self.results,
                unseen="the last could not be read" if self.results_in_part else None,
            ),
        ]


async def examine_schedules(client: Client) -> list[PlaceReport]:
    seen, listed = ScheduleScan(client), 0
    try:
        async for entry in await client.list_schedules():
            if listed == MAX_SCHEDULES:
                return seen.places(f"only {listed:,} were looked at")
            listed += 1
            description = await describe(client, entry.id)
            if description is not None and description.schedule.action.start_workflow.task_queue.name == TASK_QUEUE:
                await seen.add(entry.id, description)
    except RPCError as error:
        return seen.places(f"Temporal does not list or describe them: {error.message}")
    return seen.places(None)


async def describe(client: Client, schedule_id: str) -> DescribeScheduleResponse | None:
    """The schedule with its encoded payloads; None if it no longer exists."""
    request = DescribeScheduleRequest(namespace=client.namespace, schedule_id=schedule_id)
    try:
        return await client.workflow_service.describe_schedule(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


async def read_last_run(client: Client, schedule_id: str) -> LastRunPayloads:
    """The last result and the last failure: Temporal hands both to the next run."""
    of_this = "TemporalScheduledById = '{}'".format(schedule_id.replace("'", "''"))
    payloads: list[Payload] = []
    all_read, has_completed = True, False
    for status in ("Completed", "Failed"):
        async for run in client.list_workflows(f"{of_this} AND ExecutionStatus = '{status}'", limit=1):
            events, is_whole = await read_history(client, run.id, run.run_id)
            payloads += [payload for event in events[-1:] for payload in payloads_in(event)]
            all_read = all_read and is_whole
            has_completed = has_completed or (status == "Completed" and bool(events))
    return LastRunPayloads(payloads, all_read, has_completed)


def has_closed_runs(description: DescribeScheduleResponse) -> bool:
    """Whether any run is closed, so that there may be a result, which outlives the history of that run."""
    return description.info.action_count > len(description.info.running_workflows)


def add_keys(uses: dict[str, KeyUse], payloads: Sequence[Payload], until: datetime | None) -> None:
    """Count one use for each key of a schedule's payloads. None (no known end) is later than any time."""
    for key_id in {key_id_of(payload) for payload in payloads if encoding_of(payload) == ENCRYPTED}:
        before = uses.get(key_id)
        if before is None:
            uses[key_id] = KeyUse(count=1, until=until)
        else:
            ends = None if before.until is None or until is None else max(before.until, until)
            uses[key_id] = KeyUse(count=before.count + 1, until=ends)


def next_time(description: DescribeScheduleResponse) -> datetime | None:
    """When the next run is due; None for a schedule that is paused or has no further runs."""
    due = description.info.future_action_times
    return due[0].ToDatetime(tzinfo=UTC) if due and not description.schedule.state.paused else None
