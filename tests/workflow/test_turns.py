"""While batches wait, tenants take turns by the work that they make, and not by how many batches it comes in."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psycopg
import pytest

from conftest import GENEROUS_S, new_tenant
from examples import seal
from trenova.domain.entry import SealedEntry
from trenova.ingest.start import parcel_of, start
from workflow.outage import Scene, scene

SMALL, LARGE = 80, 12
LARGE_ENTRIES, LARGE_BODY = 5, 200_000


@pytest.fixture
async def servers(folder: Path) -> AsyncIterator[Scene]:
    async with scene(folder / f"turns-{uuid.uuid4()}") as opened:
        yield opened


def batch(tenant: str, entries: int = 1, note: str = "") -> list[SealedEntry]:
    return [seal(tenant, id=str(uuid.uuid4()), after={"note": note}) for _ in range(entries)]


async def stored_order(servers: Scene) -> list[str]:
    """The tenant of each batch, in the order of their commits."""
    async with await psycopg.AsyncConnection.connect(servers.postgres.owner_url) as connection:
        rows = await connection.execute("SELECT tenant FROM batches ORDER BY stored_at")
        return [tenant for (tenant,) in await rows.fetchall()]


async def accept(servers: Scene, batches: Sequence[list[SealedEntry]]) -> list[object]:
    return [await start(servers.client, await parcel_of(servers.client, entries)) for entries in batches]


async def test_a_tenant_with_many_small_batches_waits_no_longer_than_one_with_few_large_ones(servers: Scene) -> None:
    few, many = new_tenant(), new_tenant()
    await accept(servers, [batch(few, LARGE_ENTRIES, "x" * LARGE_BODY) for _ in range(LARGE)])
    await accept(servers, [batch(many) for _ in range(SMALL)])
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        while len(order := await stored_order(servers)) < SMALL + LARGE:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.2)
    last_large = max(at for at, tenant in enumerate(order) if tenant == few)
    # Turn by turn it would be as many as there are large ones, and some of those in the worker's slots.
    assert order[:last_large].count(many) > SMALL / 2
