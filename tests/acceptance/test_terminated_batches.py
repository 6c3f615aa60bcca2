"""A batch whose workflow is terminated before a worker has seen it is stored anyway, and reported.

The command that recovers it is the one of docs/outages.md.
"""

import uuid
from dataclasses import replace
from pathlib import Path

from acceptance.conftest import entry_of
from acceptance.doctor.conftest import doctor
from acceptance.encrypted import start_site
from acceptance.prometheus import objection
from acceptance.test_worker_health import health_on, page
from conftest import new_tenant
from databases import own_database, urls_of
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.store import Store
from waiting import becomes, eventually


async def test_an_accepted_entry_whose_workflow_was_terminated_before_any_worker_ran_is_stored_once(
    folder: Path, postgres: Postgres, tmp_path: Path
) -> None:
    tenant, by_hand, entry_id, other_id = new_tenant(), new_tenant(), str(uuid.uuid4()), str(uuid.uuid4())
    port = choose()
    async with (
        own_database(postgres) as database,
        Store.open(database.operator_url) as store,
        start_site(folder, postgres) as at,
    ):
        key = await store.api_keys.create(tenant=None, role="admin", name="test", by="test")
        site = replace(at, database_urls=urls_of(database), api_key=key.text)
        as_worker = {"TRENOVA_DATABASE__URL": database.worker_url}
        async with site.running(["api"], {}), site.client() as client:

            async def accept(id_: str, tenant: str) -> str:
                answer = await client.post("/v1/entries", json={**entry_of(), "id": id_, "tenant": tenant})
                assert answer.status_code == 202, answer.text
                batch_id = str(answer.json()["batch_id"])
                ended = await site.cli("workflow", "terminate", "--workflow-id", f"audit-batch-{batch_id}")
                assert ended.exit_code == 0, ended
                return batch_id

            async def state(batch_id: str) -> tuple[str, str, int]:
                found = (await client.get(f"/v1/batches/{batch_id}")).json()
                return found["state"], found["workflow_status"], found["stored"]

            # With the command, while no worker runs.
            batch_id = await accept(other_id, by_hand)
            assert await state(batch_id) == ("accepted", "terminated", 0)
            ended = await eventually(  # Temporal lists closed workflows with a delay
                lambda: site.command("reconcile", "--json", **as_worker),
                lambda ended: ended.json["recovered"]["batches"],
            )
            assert (ended.exit_code, ended.json["missing"]) == (0, [])
            assert await state(batch_id) == ("stored", "terminated", 1)
            ended = await site.command("reconcile", **as_worker)
            assert "no accepted batch is missing" in ended.out

            # By the worker, once one runs.
            batch_id = await accept(entry_id, tenant)
            assert await state(batch_id) == ("accepted", "terminated", 0)
            async with site.running(["worker"], health_on(port)):

                async def is_stored() -> bool:
                    return (await client.get(f"/v1/entries/{entry_id}", params={"tenant": tenant})).status_code == 200

                async def is_reported() -> bool:
                    pages = {
                        "trenova-api": (await client.get("/metrics")).text,
                        "trenova-worker": (await page(port, "/metrics")).text,
                    }
                    return not objection(pages, {"TrenovaBatchRecovered"}, tmp_path)

                await becomes(is_stored)
                assert await state(batch_id) == ("stored", "terminated", 1)
                assert len((await client.get("/v1/entries", params={"tenant": tenant})).json()["entries"]) == 1
                await becomes(is_reported)
                found = await doctor(site)
                fault = found.fault("reconciliation", "warning")
                assert f"audit-batch-{batch_id} (terminated)" in fault
                assert "find out who ends workflows" in fault
