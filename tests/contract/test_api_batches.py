"""The state of batches that another client has started in Temporal, and of workflows that are not batches."""

import uuid
from typing import Any

import httpx
import msgspec
import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue

from conftest import Keys
from examples import body
from trenova.domain.batch import Batch, workflow_id

NOBODY = "nobody-works-here"


def raw(**metadata: bytes) -> RawValue:
    return RawValue(Payload(metadata=metadata, data=b"\xff\0"))


# The input of the workflow, and how many entries a key for any tenant sees; None: no such batch.
FOREIGN: dict[str, tuple[list[Any], int | None]] = {
    "no input": ([], None),
    "nothing": ([None], None),
    "an empty batch": ([Batch()], None),
    "two inputs": ([Batch(), 17], None),
    "a text": (["hello"], 1),
    "entries that are none": ([{"entries": {"a": 1}}], 1),
    "entries without a tenant": ([{"entries": [17, {"tenant": 5}, {"tenant": "x"}]}], 3),
    "bytes": ([raw(encoding=b"binary/plain")], 1),
    "an unknown encoding": ([raw(encoding=b"binary/other")], None),
    "no encoding": ([raw()], None),
}


async def state(api: httpx.AsyncClient, batch_id: str, key: str) -> httpx.Response:
    return await api.get(f"/v1/batches/{batch_id}", headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize("case", FOREIGN)
async def test_a_workflow_started_by_another_client_never_causes_a_server_error(
    api: httpx.AsyncClient, client: Client, keys: Keys, case: str
) -> None:
    given, counted = FOREIGN[case]
    name = str(uuid.uuid4())
    handle = await client.start_workflow(
        "ProcessAuditBatchWorkflow", args=given, id=workflow_id(name), task_queue=NOBODY
    )
    try:
        assert (await state(api, name, keys.reader)).status_code == 404
        answer = await state(api, name, keys.any_tenant)
        assert answer.status_code == (404 if counted is None else 200), answer.text
        assert counted is None or (answer.json()["state"], answer.json()["entries"]) == ("accepted", counted)
    finally:
        await handle.terminate()


async def test_a_workflow_of_another_type_is_not_a_batch(api: httpx.AsyncClient, client: Client, keys: Keys) -> None:
    name = str(uuid.uuid4())
    batch = Batch(entries=[msgspec.Raw(body(keys.tenant))])
    handle = await client.start_workflow("Other", batch, id=workflow_id(name), task_queue=NOBODY)
    try:
        assert (await state(api, name, keys.any_tenant)).status_code == 404
    finally:
        await handle.terminate()


async def test_a_batch_that_this_server_has_no_key_for_is_a_503(
    api: httpx.AsyncClient, client: Client, keys: Keys
) -> None:
    name, payload = str(uuid.uuid4()), raw(**{"encoding": b"binary/encrypted", "encryption-key-id": b"of-nobody"})
    handle = await client.start_workflow("ProcessAuditBatchWorkflow", payload, id=workflow_id(name), task_queue=NOBODY)
    try:
        answer = await state(api, name, keys.any_tenant)
        assert answer.status_code == 503, answer.text
        assert "cannot decrypt the batch" in answer.json()["detail"]
    finally:
        await handle.terminate()
