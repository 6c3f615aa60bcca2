"""Reading the entries through each index that finds them: one that is stale or broken hides entries, and says nothing.

A walk reads one index from end to end, without the table where PostgreSQL can do that, and gives for each log how many
rows it met and a digest of their ids. Both must be those of the log itself. Where they are not, the first entry that
the walk does not meet is looked for. An index may also hold every row and find none of them, because its order is
wrong: that is what `bt_index_check` of the extension amcheck tells, where it is installed and this login may call it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql as composing

from trenova.domain.verification import DamagedPlace
from trenova.store.sql import sql

Cursor = psycopg.AsyncCursor[Any]
Span = dict[str, str]
Digest = tuple[int, int | None]
NO_ROWS: Digest = (0, None)

# Which rows an index must hold.
INDEXES = {
    "entries_pkey": "all",
    "entries_by_time": "there",
    "entries_by_time_anywhere": "there",
    "entries_by_actor": "there",
    "entries_by_target": "there",
    "entries_by_action": "there",
    "entries_by_rare_outcome": "rare",
}
WALKS = {index: sql(f"walks/{index}") for index in INDEXES}
SETTINGS, TRUTH, STRUCTURE = sql("walks/settings"), sql("walks/truth"), sql("walks/structure")
DIGESTS, LOST = composing.SQL(sql("walks/digests")), composing.SQL(sql("walks/lost"))
EXPLAIN = composing.SQL("EXPLAIN (FORMAT JSON) {walk}")
CHECK_STRUCTURE = "SELECT bt_index_check(%(index)s::regclass, false)"
REINDEX = "find out how it came about; then REINDEX INDEX CONCURRENTLY {}"


@dataclass(frozen=True, slots=True)
class Logs:
    """What the logs themselves hold, by tenant."""

    all: dict[str, Digest]
    there: dict[str, Digest]
    rare: dict[str, Digest]

    def of(self, rows: str) -> dict[str, Digest]:
        """Without the logs that have no such row."""
        digests: dict[str, Digest] = getattr(self, rows)
        return {tenant: digest for tenant, digest in digests.items() if digest[0]}


async def places(cursor: Cursor, span: Span, alive: Callable[[], object]) -> list[DamagedPlace]:
    """Where an index does not hold what the logs from `first` to `last` do. `alive` is called between the walks.

    Leaves the settings of the open transaction as they were.
    """
    async with cursor.connection.transaction(force_rollback=True):
        await cursor.execute(SETTINGS)
        found = await broken(cursor)
        logs = await walk_log(cursor, span)
        for index, rows in INDEXES.items():
            alive()
            found += await compare_index(cursor, span, index, logs.of(rows))
    return found


async def broken(cursor: Cursor) -> list[DamagedPlace]:
    """The B-trees whose structure contradicts itself; none where that cannot be asked."""
    await cursor.execute(STRUCTURE)
    found = []
    for (index,) in await cursor.fetchall():
        try:
            async with cursor.connection.transaction():
                await cursor.execute(CHECK_STRUCTURE, {"index": index})
        except (psycopg.errors.IndexCorrupted, psycopg.errors.DataCorrupted) as error:
            found.append(
                place("", f"database: index {index}", "a B-tree in order", str(error.diag.message_primary), index)
            )
    return found


async def walk_log(cursor: Cursor, span: Span) -> Logs:
    await cursor.execute(TRUTH, span)
    logs = Logs({}, {}, {})
    for tenant, *digests in await cursor.fetchall():
        logs.all[tenant], logs.there[tenant], logs.rare[tenant] = zip(digests[::2], digests[1::2], strict=True)
    return logs


async def compare_index(cursor: Cursor, span: Span, index: str, expected: dict[str, Digest]) -> list[DamagedPlace]:
    walk = composing.SQL(WALKS[index])
    await cursor.execute(EXPLAIN.format(walk=walk), span)
    ((plan,),) = await cursor.fetchall()
    if f'"Index Name": "{index}"' not in json.dumps(plan):
        return [place("", f"database: index {index}", "one that a walk in its order reads", "another plan", index)]
    await cursor.execute(DIGESTS.format(walk=walk), span)
    found = {tenant: (count, digest) for tenant, count, digest in await cursor.fetchall()}
    wrong = [tenant for tenant in sorted(expected.keys() | found.keys()) if expected.get(tenant) != found.get(tenant)]
    lost = [(tenant, *await first_lost(cursor, walk, tenant, INDEXES[index])) for tenant in wrong]
    return [
        place(tenant, f"index {index}", f"the entries of the log, {expected.get(tenant, NO_ROWS)[0]}", "others", index)
        if first is None
        else place(tenant, several(first, count), f"to be found through the index {index}", "nothing there", index)
        for tenant, first, count in lost
    ]


async def first_lost(cursor: Cursor, walk: composing.SQL, tenant: str, rows: str) -> tuple[int | None, int]:
    await cursor.execute(LOST.format(walk=walk), {"first": tenant, "last": tenant, "rows": rows})
    ((first, count),) = await cursor.fetchall()
    return first, count


def several(first: int, count: int) -> str:
    return f"entry {first}" if count == 1 else f"entry {first} (and {count - 1} more)"


def place(tenant: str, where: str, expected: str, got: str, index: str) -> DamagedPlace:
    return DamagedPlace(tenant=tenant, place=where, expected=expected, got=got, next_step=REINDEX.format(index))
