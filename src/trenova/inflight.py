"""What open workflows need of the keyring: which key ids their payloads name, and whether the keys here open them.

A wrong or missing key stops nobody at once: workflows stand still until it is back. This is how it is noticed. May
import: codec, domain, config, errors.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.codec.encryption import ENCRYPTED, KEY_ID
from trenova.codec.layer import encoding_of
from trenova.config import TASK_QUEUE
from trenova.errors import PayloadError

# On our queue: a namespace may be shared with programs that have keys of their own.
OPEN = f"ExecutionStatus = 'Running' AND TaskQueue = '{TASK_QUEUE}'"
# Each one costs a call.
MOST_LOOKED_AT = 200
PLAIN = ""
# They tell people why an attempt failed, and no worker reads them: the key of a mistaken worker is not needed.
FOR_PEOPLE = (EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """Open workflows by the key ids in their histories; `PLAIN` stands for an input that is not encrypted."""

    key_ids: Mapping[str, int]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Key ids that payloads name and the keys here do not open, with the reason."""
    looked_at: int = 0
    complete: bool = True
    """Whether every open workflow was looked at."""


async def open_work(client: Client, *, most: int = MOST_LOOKED_AT, started_before: datetime | None = None) -> OpenWork:
    """Look at the histories of open workflows, the latest first. Raises RPCError when Temporal is away."""
    key_ids: Counter[str] = Counter()
    unreadable: dict[str, str] = {}
    looked_at = 0
    query = OPEN if started_before is None else f"{OPEN} AND StartTime < '{started_before.isoformat()}'"
    async for execution in client.list_workflows(query, limit=most + 1):
        if looked_at == most:
            return OpenWork(key_ids=key_ids, unreadable=unreadable, looked_at=looked_at, complete=False)
        looked_at += 1
        payloads = by_key_id(await history_of(client, execution.id, execution.run_id))
        key_ids.update(payloads.keys())
        for key_id in payloads.keys() - unreadable.keys():
            if reason := await why_unreadable(client, payloads[key_id]):
                unreadable[key_id] = reason
    return OpenWork(key_ids=key_ids, unreadable=unreadable, looked_at=looked_at)


async def history_of(client: Client, workflow_id: str, run_id: str) -> list[HistoryEvent]:
    """The events as they lie in Temporal; none for a workflow that has vanished meanwhile."""
    try:
        return [event async for event in client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events()]
    except RPCError:
        return []


def by_key_id(history: Sequence[HistoryEvent]) -> dict[str, list[Payload]]:
    """The encrypted payloads that work needs: a worker may have used another key than the sender. Plain input too."""
    found: dict[str, list[Payload]] = {}
    for event in (each for each in history if each.event_type not in FOR_PEOPLE):
        for payload in payloads_in(event):
            is_input = event.HasField("workflow_execution_started_event_attributes")
            if is_input or encoding_of(payload) == ENCRYPTED:
                found.setdefault(key_id_of(payload), []).append(payload)
    return found


def payloads_in(message: Message) -> Iterator[Payload]:
    """Every payload anywhere in a protobuf message."""
    if isinstance(message, Payload):
        yield message
        return
    for part, value in message.ListFields():
        if part.message_type is None:
            continue
        values: Any = [value]
        if part.message_type.GetOptions().map_entry:
            values = [one for one in value.values() if isinstance(one, Message)]
        elif not isinstance(value, Message):
            values = value
        for one in values:
            yield from payloads_in(one)


def key_id_of(payload: Payload) -> str:
    if encoding_of(payload) != ENCRYPTED:
        return PLAIN
    return payload.metadata.get(KEY_ID, b"").decode(errors="replace")


async def why_unreadable(client: Client, payloads: Sequence[Payload]) -> str | None:
    codec = client.data_converter.payload_codec
    if codec is None:
        return None
    try:
        await codec.decode(payloads)
    except PayloadError as error:
        return error.message
    return None
