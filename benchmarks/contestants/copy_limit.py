"""The physical limit: binary COPY of the same rows into a table with the same indexes, and nothing else.

One connection, one transaction, rows taken apart beforehand. Nobody stores these rows faster with this driver. Nothing
is durable before the commit, nothing is checked, and one row that is there already would undo it all.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from benchmarks.entries import COLUMNS, rows
from benchmarks.measurement import Measurement
from benchmarks.meter import measuring
from benchmarks.servers import Servers
from psycopg import sql

NAME = "COPY"
NOTE = "binary COPY of the same rows into a table with the same indexes, one connection, one commit"


async def run(servers: Servers, entries: int) -> Measurement:
    table = await servers.new_table()
    ready = await asyncio.to_thread(rows, entries, tenant="copied")
    try:
        async with measuring({"postgres": servers.pids["postgres"], "client": os.getpid()}) as meter:
            begin = time.monotonic()
            await asyncio.to_thread(copy, servers.postgres.owner_url, table, ready)
            seconds = time.monotonic() - begin
    finally:
        await servers.drop_table(table)
    return Measurement(contestant=NAME, entries=entries, seconds=seconds, cpu_s=meter.cpu_s)


def copy(url: str, table: str, ready: Sequence[tuple[Any, ...]]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(sql.Identifier(name) for name, _ in COLUMNS)
    )
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(statement) as into:
        into.set_types([kind for _, kind in COLUMNS])
        for each in ready:
            into.write_row(each)
