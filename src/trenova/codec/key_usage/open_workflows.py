"""The keys of open workflows: which key ids their payloads name, and whether this process can decrypt them.

A wrong or missing key raises no error at once: workflows are stuck until the key is available. The same holds for an
unreadable payload, which anyone with access to the namespace can send. This module detects both.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from trenova.codec.batch_input import read_batch_input
from trenova.codec.encryption import ENCRYPTED, KEY_ID
from trenova.codec.layer import encoding_of, printable
from trenova.config import MIB, TASK_QUEUE
from trenova.domain.batch import BATCH_WORKFLOW
from trenova.domain.schedules import is_scheduled
from trenova.errors import PayloadError

# On our queue: a namespace may be shared with programs that have other keys.
# Not `Running`: a paused workflow is open, too.
OPEN = f"CloseTime IS NULL AND TaskQueue = '{TASK_QUEUE}'"
# Each one costs a call.
MAX_WORKFLOWS = 200
# Our histories have about ten events. Those of other programs may have gigabytes.
MAX_EVENTS, MAX_BYTES = 1_000, 16 * MIB
PLAIN = ""
NO_BATCH = "the input of the workflow is not a batch"
# They show people why an attempt failed, and no worker reads them: the key of a misconfigured worker is not needed.
EVENTS_NO_WORKER_READS = (EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
# Fields that no worker decodes: no codec encodes them, or only people read them.
NEVER_DECODED = frozenset({"search_attributes", "header", "user_metadata"})
# What Temporal hands to a run from the previous run. In runs of our schedules workers do not decode it.
FROM_PREVIOUS_RUN = frozenset({"last_completion_result", "continued_failure"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWorkflows:
    """Open workflows by the key ids in their histories; `PLAIN` stands for an input that is not encrypted."""

    key_ids: Mapping[str, int]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Key ids of payloads that this process cannot decrypt, with the reason."""
    waiting: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The workflows that hold such payloads, by reason."""
    opened: frozenset[str] = frozenset()
    """Key ids of payloads that this process has decrypted: for these, an unreadable payload is not due to the key."""
    no_batches: Sequence[str] = ()
    """Workflows that should store a batch, and whose readable input is not a batch."""
    looked_at: int = 0
    complete: bool = True
    """Whether every open workflow was read completely."""

    @property
    def troubles(self) -> list[str]:
        """A phrase for each reason why a process with these keys cannot work on an open workflow."""
        reasons = [reason for _, reason in sorted(self.unreadable.items())]
        return [*reasons, *([NO_BATCH] if self.no_batches else [])]


async def examine_open_workflows(
    client: Client, *, most: int = MAX_WORKFLOWS, started_before: datetime | None = None
) -> OpenWorkflows:
    """Read the histories of open workflows, the latest first. Raises RPCError if Temporal is unreachable."""
    scan = OpenWorkflowScan(client)
    query = OPEN if started_before is None else f"{OPEN} AND StartTime < '{started_before.isoformat()}'"
    async for execution in client.list_workflows(query, limit=most + 1):
        if scan.looked_at == most:
            return scan.summary(complete=False)
        await scan.add(execution)
    return scan.summary(complete=True)


@dataclass(slots=True)
class OpenWorkflowScan:
    """The findings so far."""

    client: Client
    key_ids: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, str] = field(default_factory=dict)
    waiting: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    opened: set[str] = field(default_factory=set)
    no_batches: list[str] = field(default_factory=list)
    looked_at: int = 0
    in_part: int = 0
    """Workflows that Temporal did not report completely, or that are too large to be read completely."""

    async def add(self, execution: WorkflowExecution) -> None:
        self.looked_at += 1
        history, is_whole = await read_history(self.client, execution.id, execution.run_id)
        payloads = payloads_by_key_id(history, of_a_schedule=is_scheduled(execution.id))
        if has_pending_activity(history):
            heartbeats, has_answer = await read_heartbeats(self.client, execution)
            is_whole = is_whole and has_answer
            for payload in heartbeats:
                payloads.setdefault(key_id_of(payload), []).append(payload)
        self.in_part += not is_whole
        self.key_ids.update(payloads.keys())
        is_readable = True
        for key_id, of_key in payloads.items():
            if reason := await unreadable_reason(self.client, of_key):
                self.unreadable.setdefault(key_id, reason)
                self.waiting[reason].append(execution.id)
                is_readable = False
            else:
                self.opened.add(key_id)
        if (
            is_readable
            and execution.workflow_type == BATCH_WORKFLOW
            and not await begins_with_batch(self.client, history)
        ):
            self.no_batches.append(execution.id)

    def summary(self, *, complete: bool) -> OpenWorkflows:
        return OpenWorkflows(
            key_ids=self.key_ids,
            unreadable=self.unreadable,
            waiting=dict(self.waiting),
            opened=frozenset(self.opened),
            no_batches=tuple(self.no_batches),
            looked_at=self.looked_at,
            complete=complete and not self.in_part,
        )


async def read_events(client: Client, workflow_id: str, run_id: str) -> list[HistoryEvent]:
    """The encoded events of a workflow, at most the first MAX_EVENTS; none if the workflow no longer exists."""
    return (await read_history(client, workflow_id, run_id))[0]


async def read_history(client: Client, workflow_id: str, run_id: str) -> tuple[list[HistoryEvent], bool]:
    """The same events, and whether these are all: a history that could not be read is not an empty one.

    Raises RPCError if Temporal is unavailable: then the other workflows cannot be read either.
    """
    events: list[HistoryEvent] = []
    left = MAX_BYTES
    try:
        async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
            if left < 0 or len(events) == MAX_EVENTS:
                return events, False
            events.append(event)
            left -= event.ByteSize()
    except RPCError as error:
        return [], is_not_found(error)
    return events, True


def is_not_found(error: RPCError) -> bool:
    """Whether the workflow no longer exists. Raises the error again if Temporal is unavailable."""
    if error.status is RPCStatusCode.UNAVAILABLE:
        raise error
    return error.status is RPCStatusCode.NOT_FOUND


def has_pending_activity(history: Sequence[HistoryEvent]) -> bool:
    scheduled = {event.event_id for event in history if event.HasField("activity_task_scheduled_event_attributes")}
    finished = {
        end.scheduled_event_id
        for event in history
        for end in (
            event.activity_task_completed_event_attributes,
            event.activity_task_failed_event_attributes,
            event.activity_task_timed_out_event_attributes,
            event.activity_task_canceled_event_attributes,
        )
    }
    return bool(scheduled - finished)


async def read_heartbeats(client: Client, execution: WorkflowExecution) -> tuple[list[Payload], bool]:
    """The latest heartbeat payloads of its pending activities, which the next attempt decodes.

    And whether Temporal answered.
    """
    handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
    try:
        pending = (await handle.describe()).raw_description.pending_activities
    except RPCError as error:
        return [], is_not_found(error)
    heartbeats = [payload for activity in pending for payload in activity.heartbeat_details.payloads]
    return [payload for payload in heartbeats if encoding_of(payload) == ENCRYPTED], True


async def begins_with_batch(client: Client, history: Sequence[HistoryEvent]) -> bool:
    """Whether the readable input of this history is a batch or empty."""
    for event in history[:1]:
        try:
            await read_batch_input(
                client.data_converter, event.workflow_execution_started_event_attributes.input.payloads
            )
        except PayloadError:
            return False
    return True


def payloads_by_key_id(history: Sequence[HistoryEvent], *, of_a_schedule: bool = False) -> dict[str, list[Payload]]:
    """The payloads that a worker will decode, by key id, since workers may encrypt with another key than the sender.

    All encrypted payloads, and the input even if it is not encrypted.
    """
    result: dict[str, list[Payload]] = {}
    ignored = NEVER_DECODED | FROM_PREVIOUS_RUN if of_a_schedule else NEVER_DECODED
    for event in (each for each in history if each.event_type not in EVENTS_NO_WORKER_READS):
        for payload in payloads_in(event, ignored):
            is_input = event.HasField("workflow_execution_started_event_attributes")
            if is_input or encoding_of(payload) == ENCRYPTED:
                result.setdefault(key_id_of(payload), []).append(payload)
    return result


def payloads_in(message: Message, without: frozenset[str] = frozenset()) -> Iterator[Payload]:
    """Every payload anywhere in a protobuf message, except in fields of these names."""
    if isinstance(message, Payload):
        yield message
        return
    for part, value in message.ListFields():
        if part.message_type is None or part.name in without:
            continue
        values: Any = [value]
        if part.message_type.GetOptions().map_entry:
            values = [one for one in value.values() if isinstance(one, Message)]
        elif not isinstance(value, Message):
            values = value
        for one in values:
            yield from payloads_in(one, without)


def key_id_of(payload: Payload) -> str:
    if encoding_of(payload) != ENCRYPTED:
        return PLAIN
    return printable(payload.metadata.get(KEY_ID, b""))


async def unreadable_reason(client: Client, payloads: Sequence[Payload]) -> str | None:
    codec = client.data_converter.payload_codec
    if codec is None:
        return None
    try:
        await codec.decode(payloads)
    except PayloadError as error:
        return error.message
    return None
