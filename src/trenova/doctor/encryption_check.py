"""Whether payloads are really encrypted: runs a workflow and examines its raw history, first without any key."""

import asyncio
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import uuid_utils
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

from trenova.codec.compose import load_converter
from trenova.codec.encryption import ENCRYPTED
from trenova.codec.key_usage.open_workflows import key_id_of, payloads_in
from trenova.codec.layer import encoding_of
from trenova.config import TASK_QUEUE, LimitSettings, SecuritySettings, Settings
from trenova.domain import intake
from trenova.domain.batch import Batch, workflow_id
from trenova.domain.reserved import MARKER, SAMPLE_ACTION, SAMPLE_ACTOR, SELF_TEST_TARGET, SYSTEM_TENANT
from trenova.errors import PayloadError, Unavailable
from trenova.runtime.connection import connect
from trenova.workflows import ProcessAuditBatchWorkflow

# Enough entries, and repetitive enough, that compression must make them smaller.
SAMPLE_ENTRIES = 50
WAIT_S = 60
LOCAL_ACTIVITY_MARKER = "core_local_activity"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionReport:
    """What the history of one workflow contains."""

    workflow_id: str
    payloads: int
    encrypted: int
    stored_bytes: int
    plain_bytes: int
    key_ids: Sequence[str]
    problems: Sequence[str]


async def verify(loaded: Settings) -> EncryptionReport:
    security = loaded.temporal.security
    client = await connect(loaded.temporal, load_converter(security, os.environ))
    marker = secrets.token_hex(16)
    batch = sample_batch(marker, datetime.now(UTC))
    try:
        handle = await client.start_workflow(
            ProcessAuditBatchWorkflow.run, batch, id=workflow_id(batch.batch_id), task_queue=TASK_QUEUE
        )
        try:
            async with asyncio.timeout(WAIT_S):
                await handle.result()
        except TimeoutError:
            # Left open, it would count as a workflow that waits for its key, perhaps one that no worker will ever have.
            await handle.terminate("trenova verify-encryption did not see it finish")
            raise Unavailable(
                f"the workflow {handle.id} did not finish within {WAIT_S} s, and was terminated",
                hint="check that a worker runs (`make run-worker`), and has the same keys (`trenova keys check`)",
            ) from None
        history = [event async for event in handle.fetch_history_events()]
    except WorkflowFailureError as error:
        raise Unavailable(f"the workflow failed: {error.cause}") from None
    except RPCError as error:
        raise Unavailable(f"Temporal did not run the workflow: {error.message}") from None
    payloads = [payload for event in history for payload in payloads_of(event)]
    leaks = any(marker.encode() in event.SerializeToString() for event in history)
    return await examine_payloads(client, security, handle.id, payloads, leaks=leaks)


def sample_batch(marker: str, now: datetime) -> Batch:
    """Entries of the system's own tenant, which lists omit, with a marker that must not appear in plain text."""
    entry = {
        "tenant": SYSTEM_TENANT,
        "actor": SAMPLE_ACTOR,
        "action": SAMPLE_ACTION,
        "target": SELF_TEST_TARGET,
        "metadata": {MARKER: marker},
    }
    raws = [msgspec.json.encode(entry)] * SAMPLE_ENTRIES
    checked = intake.check(raws, intake.RequestContext(received_at=now, tenant=None), LimitSettings())
    return Batch(batch_id=str(uuid_utils.uuid7()), entries=[msgspec.Raw(sealed.body) for _, sealed in checked.sealed])


def payloads_of(event: HistoryEvent) -> list[Payload]:
    """The payloads that a data converter made. The SDK writes its note on a local activity past every converter."""
    ours = HistoryEvent()
    ours.CopyFrom(event)
    if event.marker_recorded_event_attributes.marker_name == LOCAL_ACTIVITY_MARKER:
        del ours.marker_recorded_event_attributes.details["data"]
    return list(payloads_in(ours))


async def examine_payloads(
    client: Client, security: SecuritySettings, workflow: str, payloads: Sequence[Payload], *, leaks: bool
) -> EncryptionReport:
    codec = client.data_converter.payload_codec
    assert codec is not None, "our converters always have a codec, even if it changes nothing"
    problems = [] if security.enable_encryption else ["encryption is off: set temporal.security.enableEncryption"]
    if leaks:
        problems.append("the history contains the marker in plain text")
    plain_bytes = 0
    for number, payload in enumerate(payloads, 1):
        if encoding_of(payload) != ENCRYPTED:
            problems.append(f"payload {number} of {len(payloads)} is not encrypted")
        elif key_id_of(payload) != security.encryption_key_id:
            problems.append(
                f"payload {number} is encrypted with the key {key_id_of(payload)}, not {security.encryption_key_id}"
            )
        try:
            (opened,) = await codec.decode([payload])
            plain_bytes += opened.ByteSize()
        except PayloadError as error:
            problems.append(f"payload {number} cannot be decoded: {error.message}")
    stored_bytes = sum(payload.ByteSize() for payload in payloads)
    if security.enable_compression and stored_bytes >= plain_bytes:
        problems.append(f"not compressed: {stored_bytes:,} bytes are stored for {plain_bytes:,} bytes of plain text")
    return EncryptionReport(
        workflow_id=workflow,
        payloads=len(payloads),
        encrypted=sum(encoding_of(payload) == ENCRYPTED for payload in payloads),
        stored_bytes=stored_bytes,
        plain_bytes=plain_bytes,
        key_ids=sorted({key_id_of(payload) for payload in payloads} - {""}),
        problems=problems,
    )
