"""With encryption on, Temporal's files and the logs contain no content of entries, and the key decrypts it."""

import gzip
import json
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import psycopg
import pytest
from sqlalchemy.engine import make_url
from temporalio.client import WorkflowHandle

from acceptance.conftest import CommandResult, Dev, EncryptingDev, entry_of, store
from acceptance.encrypted import argument_of, encrypting_client, holds, temporal_cli
from conftest import new_tenant
from examples import body
from poison_rule import POISON, poison_rule
from trenova.codec.encryption import ENCRYPTED
from trenova.codec.key_usage.open_workflows import payloads_in
from trenova.codec.layer import encoding_of
from trenova.dev.postgres import Postgres
from trenova.domain.batch import Batch, workflow_id
from trenova.importing.maps import mapper
from waiting import LIMIT_S

CLOUDTRAIL = Path(__file__).parents[1] / "data" / "collections" / "cloudtrail-invictus-stratus-attack.ndjson.gz"


@dataclass(frozen=True, slots=True)
class EncryptedDev:
    """A `trenova dev` with encryption, and its key."""

    dev: Dev
    key: str

    @property
    def address(self) -> str:
        return str(self.dev.state["temporal_address"])

    def temporal(self, *words: str) -> CommandResult:
        return temporal_cli(self.address, self.dev.data_dir, *words)

    def show(self, handle: WorkflowHandle[Any, Any], *flags: str) -> str:
        ended = self.temporal("workflow", "show", "--workflow-id", handle.id, *flags)
        assert ended.exit_code == 0, ended
        return ended.out

    def through_endpoint(self, handle: WorkflowHandle[Any, Any], *flags: str) -> str:
        return self.show(handle, *flags, "--codec-endpoint", f"{self.dev.state['api_url']}/codec")

    def post(self, *entries: dict[str, Any], status: int = httpx.codes.CREATED) -> str:
        """Send entries in one request until they are stored or parked; returns the batch id."""
        with self.dev.api() as client:
            return str(store(client, *entries, status=status).json()["batch_id"])


@pytest.fixture(scope="module")
def encrypted_dev(encrypting_dev: EncryptingDev) -> EncryptedDev:
    return EncryptedDev(*encrypting_dev)


def exposed_data(encrypted_dev: EncryptedDev) -> dict[str, bytes]:
    """The content of Temporal's database and the logs, and all metrics pages."""
    files = [
        *(encrypted_dev.dev.data_dir / "temporal").glob("temporal.db*"),
        *(encrypted_dev.dev.data_dir / "logs").iterdir(),
    ]
    assert len(files) >= 5
    found = {str(file): file.read_bytes() for file in files}
    state = encrypted_dev.dev.state
    port = argument_of(psutil.Process(state["pids"]["temporal"]), "--metrics-port")
    headers = {"Authorization": f"Bearer {state['api_key']}"}
    for url in (state["metrics_url"], state["worker_metrics_url"], f"http://127.0.0.1:{port}/metrics"):
        sent = headers if url == state["metrics_url"] else {}
        response = httpx.get(url, headers=sent, timeout=LIMIT_S, trust_env=False, verify=False)
        assert response.status_code == 200, response.text
        found[url] = response.content
    return found


async def test_a_marker_in_entries_and_failures_is_found_nowhere_but_through_the_codec_endpoint(
    encrypted_dev: EncryptedDev,
) -> None:
    marker, control = f"marker-{secrets.token_hex(12)}", f"control-{secrets.token_hex(12)}"
    client = await encrypting_client(encrypted_dev.address, encrypted_dev.key)
    batch_id = encrypted_dev.post(
        {
            **entry_of(actor={"type": "user", "id": marker}, tenant=new_tenant()),
            "metadata": {"note": marker},
            "comment": f"{marker} once more",
            "after": {marker: 1},
        }
    )
    stored = client.get_workflow_handle(workflow_id(batch_id))
    parked = [await parking(encrypted_dev, broken) for broken in broken_entries(marker)]
    postgres = Postgres(encrypted_dev.dev.data_dir, port=make_url(encrypted_dev.dev.state["database_url"]).port)
    async with poison_rule(postgres.owner_url):
        refused = entry_of(action=POISON, actor={"type": "user", "id": marker}, tenant=new_tenant(), comment=marker)
        refused_batch = encrypted_dev.post(refused, status=httpx.codes.MULTI_STATUS)
        parked.append(client.get_workflow_handle(workflow_id(refused_batch)))
        assert (await parked[-1].result())["parked"] == 1

    # The search does find what is not encrypted.
    ended = encrypted_dev.temporal(
        *("workflow", "execute", "--type", "ProcessAuditBatchWorkflow", "--task-queue", "audit-queue"),
        *("--workflow-id", f"plain-{uuid.uuid4()}", "--input", json.dumps({"batch_id": control, "entries": []})),
    )
    assert ended.exit_code == 0, ended

    found = exposed_data(encrypted_dev)
    assert any(holds(content, control) for name, content in found.items() if "temporal.db" in name)
    assert [name for name, content in found.items() if holds(content, marker)] == []
    for handle in (stored, *parked):
        for flags in ((), ("--detailed",), ("-o", "json")):
            assert not holds(encrypted_dev.show(handle, *flags).encode(), marker)
            if flags:
                assert holds(encrypted_dev.through_endpoint(handle, *flags).encode(), marker)


def broken_entries(marker: str) -> Iterator[bytes]:
    """Bodies with the marker that the store rejects, each with a different error."""
    sealed = json.loads(body(new_tenant()))
    yield json.dumps(marker).encode()
    for field in ("outcome", "id", "actor", "occurred_at"):
        yield json.dumps({**sealed, field: marker}).encode()
    yield json.dumps({**sealed, "action": marker * 20}).encode()
    yield json.dumps({**sealed, "target": {"type": marker + "\0", "id": "x"}}).encode()


async def parking(encrypted_dev: EncryptedDev, entry: bytes) -> WorkflowHandle[Any, Any]:
    """Run a workflow that parks an entry that was not sealed by the API."""
    client = await encrypting_client(encrypted_dev.address, encrypted_dev.key)
    batch = Batch(batch_id=str(uuid.uuid4()), entries=[msgspec.Raw(entry)])
    handle = await client.start_workflow(
        "ProcessAuditBatchWorkflow", batch, id=workflow_id(batch.batch_id), task_queue="audit-queue"
    )
    assert (await handle.result())["parked"] == 1
    return handle


async def test_500_real_entries_take_a_fifth_of_their_size_in_the_history_at_most(encrypted_dev: EncryptedDev) -> None:
    tenant = new_tenant()
    to_entry = mapper("cloudtrail", tenant=tenant)
    with gzip.open(CLOUDTRAIL) as file:
        entries = [to_entry(json.loads(line)) for line, _ in zip(file, range(500), strict=False)]
    encrypted_dev.post(*entries)
    client = await encrypting_client(encrypted_dev.address, encrypted_dev.key)
    codec = client.data_converter.payload_codec
    assert codec is not None
    stored = plain = count = 0
    for batch_id in batches_of(encrypted_dev, tenant):
        async for event in client.get_workflow_handle(workflow_id(batch_id)).fetch_history_events():
            for payload in payloads_in(event):
                if encoding_of(payload) == ENCRYPTED:
                    (opened,) = await codec.decode([payload])
                    stored += payload.ByteSize()
                    plain += opened.ByteSize()
            if event.HasField("workflow_execution_started_event_attributes"):
                payloads = event.workflow_execution_started_event_attributes.input.payloads
                (sent,) = await client.data_converter.decode(payloads, [Batch])
                count += len(sent.entries)
    assert count == 500
    print(f"{stored:,} bytes in the history for {plain:,}: {stored / plain:.1%}")  # noqa: T201 - shown with `-s`
    assert stored <= 0.2 * plain


def batches_of(encrypted_dev: EncryptedDev, tenant: str) -> list[str]:
    """The batches that stored entries of the tenant, from the database: Temporal lists workflows with a delay."""
    with psycopg.connect(encrypted_dev.dev.state["database_url"]) as connection:
        found = connection.execute("SELECT batch_id FROM batches WHERE tenant = %s AND stored > 0", [tenant])
        return [batch_id for (batch_id,) in found.fetchall()]
