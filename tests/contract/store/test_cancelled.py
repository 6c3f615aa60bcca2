"""A task that is cancelled while it waits for the database ends as cancelled, and its loop with it."""

import asyncio
from contextlib import suppress

import pytest

from conftest import GENEROUS_S
from trenova.dev.postgres import Postgres
from trenova.errors import TrenovaError
from trenova.store.pool import Pool

PAUSES_S = [0, 0.0005, 0.002, 0.01]
"""Between two cancellations: from one to the other the driver asks the server to stop the query."""


async def query_again_and_again(pool: Pool, begun: asyncio.Event) -> None:
    """As the tasks of a worker do: an error of the database is no reason to end."""
    while True:
        with suppress(TrenovaError):
            async with pool.cursor() as cursor:
                begun.set()
                await cursor.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize("pause_s", PAUSES_S)
async def test_a_query_that_is_cancelled_twice_ends_its_task(postgres: Postgres, pause_s: float) -> None:
    """A timeout of its own and the end of its group cancel it at once: only the second one must count."""
    async with Pool.open(postgres.worker_url, size=1) as pool:
        begun = asyncio.Event()
        task = asyncio.create_task(query_again_and_again(pool, begun))
        await begun.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(pause_s)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=GENEROUS_S / 10)
        assert done, "it runs on"
        assert task.cancelled()
