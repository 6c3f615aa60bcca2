"""Schedules that start workflows on our queue: what they start them with, and what they hand on from run to run.

Ours start workflows without any input, and no run of theirs reads what the one before has left. The result of the last
verification is read for the metrics and by `trenova doctor`, until there is another. Every run of somebody else's
reads both, and stands still without their keys.
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
    """What the last runs of a schedule that have ended have left."""

    payloads: Sequence[Payload]
    is_whole: bool
    """Whether all of it could be read."""
    has_completed: bool
    """Whether a run was found that has completed."""


@dataclass(slots=True)
class ScheduleScan:
    """What has been seen so far."""

    client: Client
    held: dict[str, KeyUse] = field(default_factory=dict)
    results: dict[str, KeyUse] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    looked_at: int = 0
    in_part: int = 0
    """Schedules of which not everything that the next run is given could be read."""
    results_in_part: int = 0

    async def at(self, name: str, found: DescribeScheduleResponse) -> None:
        self.looked_at += 1
        action, due = found.schedule.action.start_workflow, next_time(found)
        add_keys(self.held, [*payloads_in(found.schedule), *payloads_in(found.memo)], None)
        await self.must_be_read([*payloads_in(action, NEVER_DECODED)])
        if not is_scheduled(action.workflow_id):
            last = await read_last_run(self.client, name)
            add_keys(self.held, last.payloads, due)
            await self.must_be_read(last.payloads)
            self.in_part += not last.is_whole or (has_had_runs(found) and not last.has_completed)
        elif name == VERIFY_SCHEDULE:
            last = await read_last_run(self.client, name)
            add_keys(self.results, last.payloads, due)
            self.results_in_part += not last.is_whole

    async def must_be_read(self, payloads: Sequence[Payload]) -> None:
        for key_id in {*map(key_id_of, payloads)} - self.unreadable.keys():
            if reason := await unreadable_reason(self.client, [each for each in payloads if key_id_of(each) == key_id]):
                self.unreadable[key_id] = reason

    def places(self, unseen: str | None) -> list[PlaceReport]:
        """The schedules, then the results that nothing waits for. `unseen`: why not all of them were looked at."""
        left = f"what {self.in_part:,} of them hand on to their next run could not be read" if self.in_part else None
        return [
            PlaceReport(
                name=NAME,
                held=self.held,
                looked_at=self.looked_at,
                unreadable=self.unreadable,
                unseen="; ".join(filter(None, (unseen, left))) or None,
            ),
            PlaceReport(
                name=RESULTS,
                held=self.results,
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
            found = await describe(client, entry.id)
            if found is not None and found.schedule.action.start_workflow.task_queue.name == TASK_QUEUE:
                await seen.at(entry.id, found)
    except RPCError as error:
        return seen.places(f"Temporal does not tell of them: {error.message}")
    return seen.places(None)


async def describe(client: Client, schedule_id: str) -> DescribeScheduleResponse | None:
    """As it lies in Temporal; None when it has been deleted meanwhile."""
    request = DescribeScheduleRequest(namespace=client.namespace, schedule_id=schedule_id)
    try:
        return await client.workflow_service.describe_schedule(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


async def read_last_run(client: Client, schedule_id: str) -> LastRunPayloads:
    """The last result and the last failure: one does not take the place of the other, and both are handed on."""
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


def has_had_runs(found: DescribeScheduleResponse) -> bool:
    """Whether runs have ended, so that there may be a result: it is handed on after Temporal has removed that run."""
    return found.info.action_count > len(found.info.running_workflows)


def add_keys(held: dict[str, KeyUse], payloads: Sequence[Payload], until: datetime | None) -> None:
    """Add one for each key of a schedule's payloads. What has no end of its own outlasts what has."""
    for key_id in {key_id_of(payload) for payload in payloads if encoding_of(payload) == ENCRYPTED}:
        before = held.get(key_id)
        if before is None:
            held[key_id] = KeyUse(count=1, until=until)
        else:
            ends = None if before.until is None or until is None else max(before.until, until)
            held[key_id] = KeyUse(count=before.count + 1, until=ends)


def next_time(found: DescribeScheduleResponse) -> datetime | None:
    """When the next run is due; None for a schedule that is paused or over."""
    due = found.info.future_action_times
    return due[0].ToDatetime(tzinfo=UTC) if due and not found.schedule.state.paused else None
