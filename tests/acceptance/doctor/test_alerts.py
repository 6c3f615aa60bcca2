"""Each fault at run time raises its alert and no other while it lasts, evaluated on the real metrics pages."""

from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psycopg
import pytest

from acceptance.encrypted import Site, encrypting, new_key, start_site
from acceptance.prometheus import objection
from acceptance.test_worker_health import far_site, health_on, is_ready, page
from conftest import new_tenant
from databases import urls_of
from examples import entry
from poison_rule import POISON, poison_rule
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.store import schema
from waiting import becomes

pytestmark = pytest.mark.long

Owner = psycopg.AsyncConnection[tuple[object, ...]]

NO_WORKER_READY = {"TrenovaNoWorkerReady", "TrenovaWorkerNotReady"}


@dataclass(frozen=True, slots=True)
class MonitoredSite:
    """An API and a worker as Prometheus and health probes see them."""

    site: Site
    worker_port: int
    folder: Path

    async def pages(self) -> dict[str, str | None]:
        async with self.site.client() as client:
            answer = await client.get("/metrics")
        assert answer.status_code == 200, answer.text
        try:
            worker: str | None = (await page(self.worker_port, "/metrics")).text
        except httpx.TransportError:
            worker = None
        return {"trenova-api": answer.text, "trenova-worker": worker}

    async def wait_for_alerts(self, *alerts: str) -> None:
        """Return when the pages, if they stayed as they are, would raise exactly these alerts."""
        problem = ""

        async def are_raised() -> bool:
            nonlocal problem
            problem = objection(await self.pages(), set(alerts), self.folder)
            return not problem

        await becomes(are_raised, lambda: problem)

    async def api_is_ready(self) -> bool:
        async with self.site.client() as client:
            return (await client.get("/readyz")).status_code == 200

    async def send(self, query: str = "", **fields: str) -> httpx.Response:
        async with self.site.client() as client:
            return await client.post(f"/v1/entries{query}", json={"tenant": new_tenant(), **entry(**fields)})


async def test_what_keeps_entries_from_being_stored_raises_an_alert_at_once(
    folder: Path, database: Postgres, owner: Owner, tmp_path: Path
) -> None:
    async with far_site(folder, database) as (far, to_temporal, to_postgres):
        near = replace(far, database_urls=urls_of(database))
        monitored = MonitoredSite(near, choose(), tmp_path)

        async def worker_is_unready() -> bool:
            return not await is_ready(monitored.worker_port)

        async with near.running(["api"], {}):
            async with far.running(["worker"], health_on(monitored.worker_port)):
                await monitored.wait_for_alerts()

                to_postgres.mode = "refuse"
                to_postgres.cut()
                assert (await monitored.send()).status_code == 202
                await monitored.wait_for_alerts(*NO_WORKER_READY, "TrenovaDatabaseAway")
                assert await worker_is_unready()
                to_postgres.mode = "pass"
                await monitored.wait_for_alerts()
                assert await is_ready(monitored.worker_port)

                await owner.execute("UPDATE schema_version SET version_num = %s", [schema.revisions()[-2]])
                await monitored.wait_for_alerts(*NO_WORKER_READY)
                assert await worker_is_unready()
                assert not await monitored.api_is_ready()
                await owner.execute("UPDATE schema_version SET version_num = %s", [schema.latest()])
                await monitored.wait_for_alerts()

                to_temporal.mode = "refuse"
                to_temporal.cut()
                assert (await monitored.send()).status_code == 503
                await monitored.wait_for_alerts(*NO_WORKER_READY, "TrenovaTemporalAway")
                assert await worker_is_unready()
                assert not await monitored.api_is_ready()
                to_temporal.mode = "pass"
                await monitored.wait_for_alerts()
                assert await monitored.api_is_ready()

            assert (await monitored.send()).status_code == 202
            await monitored.wait_for_alerts("TrenovaWorkerDown", "TrenovaNoWorkerReady", "TrenovaQueueGrows")


@pytest.mark.parametrize("mistake", ["wrong", "missing"])
async def test_keys_that_do_not_decrypt_waiting_batches_raise_an_alert(
    folder: Path, database: Postgres, tmp_path: Path, mistake: str
) -> None:
    other = new_key()
    right = encrypting("a", a=new_key())
    mistaken = encrypting("a", a=other) if mistake == "wrong" else encrypting("b", b=other)
    async with start_site(folder, database) as site:
        monitored = MonitoredSite(site, choose(), tmp_path)
        async with site.running(["api"], right):
            assert (await monitored.send()).status_code == 202
        async with site.running(["api", "worker"], health_on(monitored.worker_port, **mistaken)):
            await monitored.wait_for_alerts("TrenovaKeysWrong")
            assert await monitored.api_is_ready()
            assert await is_ready(monitored.worker_port)


async def test_parked_entries_and_a_damaged_ledger_raise_an_alert_though_everything_works(
    folder: Path, database: Postgres, owner: Owner, tmp_path: Path
) -> None:
    tenant = new_tenant()
    async with start_site(folder, database) as site:
        monitored = MonitoredSite(site, choose(), tmp_path)
        async with site.running(["api", "worker"], health_on(monitored.worker_port)):
            async with poison_rule(database.owner_url):
                answer = await monitored.send("?wait=stored", action=POISON, tenant=tenant)
                assert answer.json()["entries"][0]["state"] == "parked", answer.text
                await monitored.wait_for_alerts("TrenovaEntriesParked")
                assert await monitored.api_is_ready()
            at = {"TRENOVA_API_URL": site.api_url, "TRENOVA_API_KEY": site.api_key}
            replayed = await site.command("dead-letters", "replay", "--tenant", tenant, **at)
            assert replayed.exit_code == 0, replayed
            await monitored.wait_for_alerts()

            async with owner.transaction():
                await owner.execute("SET LOCAL session_replication_role = replica")
                await owner.execute("UPDATE entries SET body = body || '\\x20' WHERE tenant = %s", [tenant])
            trigger = await site.cli("schedule", "trigger", "--schedule-id", "trenova-verify")
            assert trigger.exit_code == 0, trigger
            await monitored.wait_for_alerts("TrenovaLogDamaged")
            assert await is_ready(monitored.worker_port)
