"""While batches wait, tenants take turns by the amount of work, and not by the number of batches."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psycopg
import pytest

import prepared
from conftest import GENEROUS_S, new_tenant
from examples import seal
from trenova.domain.entry import SealedEntry
from trenova.ingest.start import parcel_of, start
from workflow.outage import Servers, open_servers

SMALL, LARGE = 80, 12
LARGE_ENTRIES, LARGE_BODY = 5, 200_000


@pytest.fixture
async def servers(folder: Path) -> AsyncIterator[Servers]:
    async with open_servers(prepared.prepare(folder / f"turns-{uuid.uuid4()}")) as servers:
        yield servers


def batch(tenant: str, entries: int = 1, note: str = "") -> list[SealedEntry]:
    return [seal(tenant, id=str(uuid.uuid4()), after={"note": note}) for _ in range(entries)]


async def stored_order(servers: Servers) -> list[str]:
    """The tenant of each batch, in the order of their commits."""
    async with await psycopg.AsyncConnection.connect(servers.postgres.owner_url) as connection:
        rows = await connection.execute("SELECT tenant FROM batches ORDER BY stored_at")
        return [tenant for (tenant,) in await rows.fetchall()]


async def accept(servers: Servers, batches: Sequence[list[SealedEntry]]) -> list[object]:
    return [await start(servers.client, await parcel_of(servers.client, entries)) for entries in batches]


async def test_a_tenant_with_many_small_batches_waits_no_longer_than_one_with_few_large_ones(servers: Servers) -> None:
    few, many = new_tenant(), new_tenant()
    await accept(servers, [batch(few, LARGE_ENTRIES, "x" * LARGE_BODY) for _ in range(LARGE)])
    await accept(servers, [batch(many) for _ in range(SMALL)])
    async with servers.worker(), asyncio.timeout(GENEROUS_S):
        while len(order := await stored_order(servers)) < SMALL + LARGE:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.2)
    last_large = max(at for at, tenant in enumerate(order) if tenant == few)
    # With turns by batch it would be the number of large ones, plus some in the worker's slots.
    assert order[:last_large].count(many) > SMALL / 2
