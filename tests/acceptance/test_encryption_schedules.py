"""Temporal passes the previous run's result to each run of a schedule; no run of ours waits for its key."""

from pathlib import Path

import httpx
import psycopg
import pytest

from acceptance.conftest import entry_of
from acceptance.encrypted import STRICT, Site, encrypting, new_key, start_site
from acceptance.schedule_runs import Run, run_schedules
from conftest import new_tenant
from contract.store.ledger_check import past_triggers
from databases import Database, own_database
from trenova.dev.postgres import Postgres
from trenova.domain.schedules import SCHEDULES, VERIFY_SCHEDULE

pytestmark = pytest.mark.long

TEXT = "a key that is made of text, and means others by its format"
RAW = {"TRENOVA_TEMPORAL__SECURITY__KEY_FORMAT": "raw32"}


async def damage(database: Database, tenant: str) -> None:
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        await past_triggers(owner, "UPDATE entries SET actor_id = 'x' WHERE tenant = %s AND index = 0", tenant)


async def runs_with(site: Site, variables: dict[str, str]) -> dict[str, Run]:
    async with site.running(["worker"], variables):
        return await run_schedules(site, pause=True)


def failed_schedules(runs: dict[str, Run]) -> set[str]:
    return {name for name, run in runs.items() if not run.completed}


async def test_every_schedule_continues_whatever_happened_to_the_key_of_its_last_run(
    folder: Path, postgres: Postgres
) -> None:
    tenant = new_tenant()
    new = encrypting("new", new=new_key())
    # The verification reads every ledger, including those that other tests damaged; here it must succeed once.
    async with own_database(postgres) as database, start_site(folder, database) as site:
        async with site.running(["api", "worker"], encrypting("old", old=TEXT)):
            await site.store({**entry_of(), "tenant": tenant})
            assert failed_schedules(await run_schedules(site, pause=True)) == set()
            # From now on the verification fails each time: Temporal passes on its failure beside the last result.
            await damage(database, tenant)
            assert failed_schedules(await run_schedules(site, pause=True)) == {VERIFY_SCHEDULE}

        for before, variables in (
            ("old", {**encrypting("old", old=TEXT), **RAW}),  # the same id, another key
            ("old", {}),  # no key at all
            ("", {**new, **STRICT}),  # plain results, which strict mode refuses
        ):
            runs = await runs_with(site, variables)
            assert failed_schedules(runs) == {VERIFY_SCHEDULE}
            # Temporal passed them results that these keys do not decrypt.
            assert {name: run.result_under for name, run in runs.items() if run.completed} == dict.fromkeys(
                set(SCHEDULES) - {VERIFY_SCHEDULE}, before
            )
            assert runs[VERIFY_SCHEDULE].result_under == "old"
            assert runs[VERIFY_SCHEDULE].started.HasField("continued_failure")

        await check_without_old_keys(site, encrypting("another", another=new_key()), tenant)


async def check_without_old_keys(site: Site, variables: dict[str, str], tenant: str) -> None:
    """Without the old keys the API works too, although it cannot decrypt the schedules' last results."""
    async with site.running(["api", "worker"], variables), site.client() as client:
        page = await client.get("/metrics")
        assert page.status_code == httpx.codes.OK, page.text
        ready = await client.get("/readyz")
        assert ready.status_code == httpx.codes.OK, ready.text
        await site.store({**entry_of(), "tenant": tenant})
        assert failed_schedules(await run_schedules(site, pause=True)) == {VERIFY_SCHEDULE}
        page = await client.get("/metrics")
        assert [line for line in page.text.splitlines() if line.startswith("trenova_schedule_stuck")] == [
            f'trenova_schedule_stuck{{schedule="{name}"}} 0.0' for name in SCHEDULES
        ]
        assert "trenova_keys_wrong 0.0" in page.text
