"""Parked entries are retried by a schedule: it starts the workflow, and the workflow stores them."""

import asyncio
import uuid
from datetime import timedelta

import pytest
from temporalio.client import Client, ScheduleOverlapPolicy

from conftest import GENEROUS_S
from examples import body
from poison_rule import POISON, poison_rule
from trenova.dev.postgres import Postgres
from trenova.store import Store
from trenova.workflows import RETRY_SCHEDULE

pytestmark = pytest.mark.usefixtures("worker", "installed_schedules")


async def test_the_schedule_stores_parked_entries_that_the_database_accepts_by_now(
    client: Client, store: Store, api_store: Store, postgres: Postgres, tenant: str
) -> None:
    async with poison_rule(postgres.owner_url):
        await store.entries.append(str(uuid.uuid4()), [body(tenant, action=POISON)])
    await api_store.dead_letters.make_due(tenant=tenant)
    schedule = client.get_schedule_handle(RETRY_SCHEDULE)
    current = (await schedule.describe()).schedule
    assert current.policy.overlap == ScheduleOverlapPolicy.SKIP
    assert [interval.every for interval in current.spec.intervals] == [timedelta(minutes=5)]
    # After a run that is open now, if there is one: it began before the dead letter was due.
    await schedule.trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)
    async with asyncio.timeout(GENEROUS_S):
        while await store.dead_letters.page(tenant=tenant, limit=1):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.2)
    (letter,) = await store.dead_letters.page(tenant=tenant, parked=False, limit=2)
    assert letter.stored_at is not None
