"""A removal that is interrupted leaves whole steps, each with the entry that reports it, and the next run continues."""

import asyncio
import os
import sys
from contextlib import suppress

import psycopg
import pytest

from conftest import GENEROUS_S
from contract.retention.conftest import DAYS, Owner, old_bodies, rows, run, store_bodies
from contract.store.test_append_interrupted import hold_head, process_waiting_for
from examples import SIGNER
from trenova.dev.postgres import Postgres
from trenova.errors import Unavailable
from trenova.store import Store

COUNT = 5500


async def test_a_step_whose_connection_is_killed_leaves_nothing_and_the_next_run_does_it_once(
    store: Store, keeper: Store, postgres: Postgres, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, *[90] * 1200))
    await keeper.policies.set(tenant, DAYS, by="ada")
    before = await rows(owner, tenant)
    # With the content removed, it waits for the head to append the entry that reports it.
    async with hold_head(postgres, owner, tenant) as holder:
        attempt = asyncio.create_task(run(store, tenant))
        await owner.execute("SELECT pg_terminate_backend(%s)", [await process_waiting_for(owner, holder)])
        with pytest.raises(Unavailable, match=r"the database is (unavailable|unreachable)"):
            await attempt
    assert await rows(owner, tenant) == before
    await run(store, tenant)
    left = await rows(owner, tenant)
    assert left.removed == list(range(1200))
    assert [report["entries"] for report in left.removals] == [1000, 200]


async def test_a_process_that_is_killed_between_steps_leaves_whole_ones(
    store: Store, keeper: Store, postgres: Postgres, owner: Owner, tenant: str
) -> None:
    await store_bodies(store, *old_bodies(tenant, *[90] * COUNT))
    await keeper.policies.set(tenant, DAYS, by="ada")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trenova", "retention", "run", "--tenant", tenant),
        cwd=postgres.folder.path,
        env={
            **os.environ,
            "TRENOVA_DATABASE__URL": postgres.worker_url,
            "TRENOVA_SIGNING_KEY": SIGNER.secrets[0].secret_text,
        },
    )
    async with asyncio.timeout(GENEROUS_S):
        while not (await is_removed(owner, tenant)):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.005)
    with suppress(ProcessLookupError):  # a machine that stalls here lets it come to its end
        process.kill()
    await process.wait()
    left = await rows(owner, tenant)
    assert len(left.removed) == sum(report["entries"] for report in left.removals)
    await run(store, tenant)
    left = await rows(owner, tenant)
    assert left.removed == list(range(COUNT))
    spans = sorted(tuple(span) for report in left.removals for span in report["indexes"])
    assert [first for first, _ in spans] == [0, *(last + 1 for _, last in spans[:-1])]


async def is_removed(owner: psycopg.AsyncConnection[tuple[object, ...]], tenant: str) -> bool:
    found = await owner.execute("SELECT FROM removals WHERE tenant = %s", [tenant])
    return found.rowcount > 0
