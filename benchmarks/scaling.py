"""How Trenova scales: worker processes, request sizes, tenants, and the size of the table."""

import asyncio
import os
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from multiprocessing import get_context
from typing import Any

import psycopg
from benchmarks.contestants import ours
from benchmarks.contestants.ours import Sender
from benchmarks.entries import COLUMNS
from benchmarks.rounds import BULK_CONNECTIONS, BULK_ENTRIES, Round, Say
from benchmarks.servers import Servers, own_database, trenova_running
from psycopg import sql

from trenova.ledger import tiles
from trenova.ledger.hashing import HASH_BYTES

WORKERS = (1, 2, 4)
# Entries a request, connections, and by how much the number of entries is divided: small requests are slow.
REQUESTS = ((1, 64, 10), (10, 64, 2), (100, 32, 1), (1000, 16, 1))
TENANTS = (1, 10, 1000)
TENANT_REQUEST = 20
MOST_ROWS = 10_000_000
NOTES = {
    "workers": f"requests of {BULK_ENTRIES} entries over {BULK_CONNECTIONS} connections, so many worker processes",
    "requests": "entries a request; 64 connections for 1 and 10, 32 for 100, 16 for 1,000",
    "tenants": f"requests of {TENANT_REQUEST} entries of one tenant each, in turn, over 64 connections",
    "rows": "bulk as above, into a table of so many rows of 300 bytes of ten tenants, for one of these",
}
FILLED_TENANTS = 10
FILL_CHUNK = 100_000
WARM_UP_ENTRIES = 4000
SEARCH_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid = 'entries'::regclass AND NOT indisunique
"""


async def by_workers(servers: Servers, entries: int, rounds: int, say: Say) -> list[Round]:
    measured: list[Round] = [{} for _ in range(rounds)]
    for number, each in enumerate(measured, start=1):
        for workers in WORKERS:
            name = f"workers: {workers}"
            say(f"round {number}: {name}")
            async with trenova_running(servers, workers=workers) as trenova:
                await ours.warm_up(trenova)
                each[name] = await ours.run(trenova, name, [bulk(entries)])
    return measured


async def by_request_and_tenants(servers: Servers, entries: int, rounds: int, say: Say) -> list[Round]:
    measured: list[Round] = [{} for _ in range(rounds)]
    async with trenova_running(servers) as trenova:
        await ours.warm_up(trenova)
        for number, each in enumerate(measured, start=1):
            for size, connections, part in REQUESTS:
                name = f"requests: {size}"
                say(f"round {number}: {name}")
                sender = Sender(requests=entries // part // size, entries_each=size, connections=connections)
                each[name] = await ours.run(trenova, name, [sender])
            for tenants in TENANTS:
                name = f"tenants: {tenants}"
                say(f"round {number}: {name}")
                requests = max(tenants, entries // TENANT_REQUEST)
                sender = Sender(requests=requests, entries_each=TENANT_REQUEST, connections=64, tenants=tenants)
                each[name] = await ours.run(trenova, name, [sender])
    return measured


async def by_rows(servers: Servers, entries: int, rounds: int, most: int, say: Say) -> list[Round]:
    """Bulk into tables that hold none, a tenth of `most` and `most` rows: a database each, that take turns."""
    measured: list[Round] = [{} for _ in range(rounds)]
    async with AsyncExitStack() as stack:
        filled = {}
        for rows in (0, most // 10, most):
            filled[rows] = await stack.enter_async_context(own_database(servers, f"rows_{rows}"))
            await fill(filled[rows], rows, say)
        for number, each in enumerate(measured, start=1):
            for rows, database in filled.items():
                name = f"rows: {rows:,}"
                say(f"round {number}: {name}")
                async with trenova_running(database) as trenova:
                    await ours.run(trenova, name, [bulk(WARM_UP_ENTRIES)], empty=False, histories=0)
                    await database.settle()
                    each[name] = await ours.run(trenova, name, [bulk(entries, tenant="filled-0")], empty=False)
    return measured


def bulk(entries: int, tenant: str | None = None) -> Sender:
    requests = entries // BULK_ENTRIES
    return Sender(requests=requests, entries_each=BULK_ENTRIES, connections=BULK_CONNECTIONS, tenant=tenant)


async def fill(servers: Servers, rows: int, say: Say) -> None:
    """Generated rows by COPY into `entries`, past our own path, and the heads that go with them.

    The search indexes are made again afterwards: in order, and many times faster than row by row.
    """
    url = servers.postgres.owner_url
    found = await servers.owner.execute(SEARCH_INDEXES)
    indexes = await found.fetchall()
    for name, _ in indexes:
        await servers.owner.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        chunks = [
            loop.run_in_executor(processes, copy_chunk, url, at, min(at + FILL_CHUNK, rows))
            for at in range(0, rows, FILL_CHUNK)
        ]
        for number, chunk in enumerate(chunks):
            say(f"filling the table: {number * FILL_CHUNK:,} of {rows:,} rows")
            await chunk
    await servers.owner.execute("SET maintenance_work_mem = '1GB'")
    for name, definition in indexes:
        say(f"making the index {name}")
        await servers.owner.execute(definition)
    await asyncio.to_thread(plant_trees, url)
    await servers.owner.execute("VACUUM (ANALYZE) entries")


def plant_trees(url: str) -> None:
    """Heads of the filled logs, and the tiles at the right edges of their trees: all that appending to them touches.

    The hashes are made up. Real ones would take minutes to compute, and an append costs the same on these.
    """
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tenant, max(index) + 1 FROM entries WHERE tenant LIKE 'filled-%' GROUP BY tenant")
        for tenant, size in cursor.fetchall():
            cursor.execute(
                "INSERT INTO heads (tenant, size, frontier) VALUES (%s, %s, %s) ON CONFLICT (tenant)"
                " DO UPDATE SET size = excluded.size, frontier = excluded.frontier",
                (tenant, size, bytes(HASH_BYTES * int(size).bit_count())),
            )
            cursor.executemany(
                "INSERT INTO tiles (tenant, level, index, hashes) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (tenant, level, index) DO UPDATE SET hashes = excluded.hashes",
                [
                    (tenant, tile.level, tile.index, bytes(HASH_BYTES * tile.width))
                    for tile in tiles.partial_tiles(size)
                ],
            )


def copy_chunk(url: str, begin: int, end: int) -> None:
    names = ", ".join(name for name, _ in COLUMNS)
    statement = f"COPY entries ({names}) FROM STDIN (FORMAT BINARY)".encode()
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([kind for _, kind in COLUMNS])
        for row in generate_rows(begin, end):
            copy.write_row(row)


def generate_rows(begin: int, end: int) -> Iterator[tuple[Any, ...]]:
    """Rows of ten tenants in turn, random ids, a second apart: a thousand actors, a hundred thousand targets."""
    chance = random.Random(begin)
    since = datetime(2025, 1, 1, tzinfo=UTC)
    for number in range(begin, end):
        tenant, index = f"filled-{number % FILLED_TENANTS}", number // FILLED_TENANTS
        made = since + timedelta(seconds=number)
        id_ = uuid.UUID(int=chance.getrandbits(128), version=4)
        actor, target = f"user-{chance.randrange(1000)}", f"shipment-{chance.randrange(100_000)}"
        body = (
            f'{{"action":"shipment.update","actor":{{"id":"{actor}","type":"user"}},"id":"{id_}",'
            f'"occurred_at":"{made.isoformat()}","outcome":"success","received_at":"{made.isoformat()}",'
            f'"target":{{"id":"{target}","type":"shipment"}},"tenant":"{tenant}"}}'
        ).encode()
        party = ("user", actor, "shipment.update", "shipment", target, "success")
        yield (index, tenant, id_, made, made, *party, id_.bytes, sha256(id_.bytes).digest(), body)
