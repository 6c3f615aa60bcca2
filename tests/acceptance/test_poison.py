"""Unreadable workflows, which anyone with access to the namespace can start, raise an alert and stop no process."""

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from acceptance.conftest import entry_of
from acceptance.doctor.conftest import DoctorReport, doctor_until
from acceptance.encrypted import STRICT, Site, encrypting, new_key, start_site
from acceptance.test_worker_health import counts, health_on, is_ready
from conftest import new_tenant
from trenova.codec.compose import payload_codec
from trenova.codec.compression import Compression
from trenova.config import TASK_QUEUE, SecuritySettings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.domain.batch import BATCH_WORKFLOW
from trenova.keys.loading import load_keyring
from waiting import becomes

pytestmark = pytest.mark.long

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'{"batch_id":"x","entries":[]}')


async def encrypt_payload(key_id: str, key: str, data: bytes, encoding: bytes = b"json/plain") -> Payload:
    """A payload as a holder of this key encrypts it."""
    security = SecuritySettings(enableEncryption=True, encryptionKeyID=key_id)
    keyring = load_keyring(security, {f"TEMPORAL_ENCRYPTION_KEY_{key_id}": key})
    (payload,) = await payload_codec(security, keyring).encode([Payload(metadata={"encoding": encoding}, data=data)])
    return payload


async def unreadable_payloads(key: str) -> dict[str, Payload]:
    """Unreadable payloads by what is wrong with them."""
    damaged = await encrypt_payload("k", key, b'{"batch_id":"x","entries":[]}')
    damaged.data = damaged.data[:-1] + bytes([damaged.data[-1] ^ 1])
    bomb = Compression().wrap(Payload(metadata={"encoding": b"json/plain"}, data=b"0" * (80 * 1024 * 1024)))
    return {
        "foreign-key": await encrypt_payload("theirs", new_key(), b"{}"),
        "plain": PLAIN,
        "damaged": damaged,
        "strange": await encrypt_payload("k", key, b"hello", b"binary/strange"),
        "bomb": bomb,
    }


@asynccontextmanager
async def start_unreadable(site: Site, payloads: Mapping[str, Payload]) -> AsyncIterator[dict[str, str]]:
    """Start workflows with these inputs and one of an unknown type; yield their ids and terminate them afterwards."""
    outsider = await Client.connect(site.temporal.address, data_converter=DataConverter.default)
    ids = {name: f"audit-batch-{uuid.uuid4()}" for name in (*payloads, "no-type")}
    handles = [
        await outsider.start_workflow(BATCH_WORKFLOW, RawValue(payload), id=ids[name], task_queue=TASK_QUEUE)
        for name, payload in payloads.items()
    ]
    handles.append(await outsider.start_workflow("NobodysWorkflow", id=ids["no-type"], task_queue=TASK_QUEUE))
    yield ids
    for handle in handles:
        await handle.terminate()


async def shows(client: httpx.AsyncClient, line: str) -> bool:
    return line in (await client.get("/metrics")).text.splitlines()


async def accepts_entries(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


async def test_unreadable_workflows_raise_an_alert_that_names_them_and_every_process_stays_in_service(
    folder: Path, postgres: Postgres
) -> None:
    key, port = new_key(), choose()
    variables = {**encrypting("k", k=key), **STRICT}
    async with (
        start_site(folder, postgres) as site,
        site.running(["api", "worker"], health_on(port, **variables)) as programs,
        site.client() as client,
    ):
        await becomes(lambda: counts(port, "trenova_keys_wrong 0.0"))
        async with start_unreadable(site, await unreadable_payloads(key)) as ids:
            await becomes(lambda: shows(client, "trenova_keys_wrong 1.0"))
            await becomes(lambda: counts(port, "trenova_keys_wrong 1.0"))
            await becomes(lambda: is_ready(port))
            await becomes(lambda: accepts_entries(client))
            parts = (await client.get("/readyz")).json()
            assert (parts["ready"], parts["keys"]) == (True, "ok")
            await site.store({**entry_of(), "tenant": new_tenant()})

            def names_all(report: DoctorReport) -> bool:
                cause = report.findings["keys of open workflows"]["cause"]
                return all(ids[name] in cause for name in ("foreign-key", "plain", "damaged", "strange", "bomb"))

            found = await doctor_until(site, names_all, **variables)  # Temporal lists open workflows with a delay
            fault = found.fault("keys of open workflows")
            assert f"encryption key not found for ID: theirs ({ids['foreign-key']})" in fault
            assert "decryption failed with the key ID: k (" in fault
            assert "the payload is not encrypted" in fault
            assert "TEMPORAL_ENCRYPTION_KEY_theirs" in fault
            assert "TEMPORAL_ENCRYPTION_KEY_k " not in fault
            assert "temporal workflow terminate --workflow-id audit-batch-" in fault
            assert f"the input of the workflow is not a batch ({ids['strange']})" in fault
            assert key not in json.dumps(found.findings)
            assert all(program.process.returncode is None for program in programs)
        await becomes(lambda: shows(client, "trenova_keys_wrong 0.0"))
        await becomes(lambda: counts(port, "trenova_keys_wrong 0.0"))
