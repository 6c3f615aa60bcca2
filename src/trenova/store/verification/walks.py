"""Reading the entries through each index: one that is stale or broken hides entries without an error.

A walk reads one index from end to end, without the table where PostgreSQL can do that, and returns for each ledger how
many rows it met and a digest of their ids. Both must be those of the ledger itself. Where they are not, the first entry
that the walk does not meet is looked up. An index may also hold every row and find none, because its order is wrong:
`bt_index_check` of the extension amcheck finds that, where it is installed and this login may call it.
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
"""Number of rows, and a digest of their ids."""
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
SETTINGS, LEDGERS = sql("walks/settings"), sql("walks/ledgers")
STRUCTURE, CHECK_STRUCTURE = sql("walks/structure"), sql("walks/check_structure")
DIGESTS, LOST = composing.SQL(sql("walks/digests")), composing.SQL(sql("walks/lost"))
EXPLAIN = composing.SQL("EXPLAIN (FORMAT JSON) {walk}")
REINDEX = "find out how it came about; then REINDEX INDEX CONCURRENTLY {}"


@dataclass(frozen=True, slots=True)
class LedgerDigests:
    """What the ledgers themselves hold, by tenant: all rows, those with content, those with a rare outcome."""

    all: dict[str, Digest]
    there: dict[str, Digest]
    rare: dict[str, Digest]

    def of(self, rows: str) -> dict[str, Digest]:
        """Without the ledgers that have no such row."""
        digests: dict[str, Digest] = getattr(self, rows)
        return {tenant: digest for tenant, digest in digests.items() if digest[0]}


async def check(cursor: Cursor, span: Span, progress: Callable[[], object]) -> list[DamagedPlace]:
    """Where an index does not hold what the ledgers of the span do. Calls `progress` between the walks.

    Leaves the settings of the open transaction as they were.
    """
    async with cursor.connection.transaction(force_rollback=True):
        await cursor.execute(SETTINGS)
        places = await check_structure(cursor)
        ledgers = await walk_ledgers(cursor, span)
        for index, rows in INDEXES.items():
            progress()
            places += await compare_index(cursor, span, index, ledgers.of(rows))
    return places


async def check_structure(cursor: Cursor) -> list[DamagedPlace]:
    """The B-trees whose structure contradicts itself; none where amcheck cannot be called."""
    await cursor.execute(STRUCTURE)
    places = []
    for (index,) in await cursor.fetchall():
        try:
            async with cursor.connection.transaction():
                await cursor.execute(CHECK_STRUCTURE, {"index": index})
        except (psycopg.errors.IndexCorrupted, psycopg.errors.DataCorrupted) as error:
            places.append(
                damaged_place(
                    "", f"database: index {index}", "a B-tree in order", str(error.diag.message_primary), index
                )
            )
    return places


async def walk_ledgers(cursor: Cursor, span: Span) -> LedgerDigests:
    await cursor.execute(LEDGERS, span)
    ledgers = LedgerDigests({}, {}, {})
    for tenant, count, digest, count_there, digest_there, count_rare, digest_rare in await cursor.fetchall():
        ledgers.all[tenant] = (count, digest)
        ledgers.there[tenant] = (count_there, digest_there)
        ledgers.rare[tenant] = (count_rare, digest_rare)
    return ledgers


async def compare_index(cursor: Cursor, span: Span, index: str, expected: dict[str, Digest]) -> list[DamagedPlace]:
    walk = composing.SQL(WALKS[index])
    await cursor.execute(EXPLAIN.format(walk=walk), span)
    ((plan,),) = await cursor.fetchall()
    if f'"Index Name": "{index}"' not in json.dumps(plan):
        return [
            damaged_place("", f"database: index {index}", "a plan that reads it in its order", "another plan", index)
        ]
    await cursor.execute(DIGESTS.format(walk=walk), span)
    met = {tenant: (count, digest) for tenant, count, digest in await cursor.fetchall()}
    differing = [tenant for tenant in sorted(expected.keys() | met.keys()) if expected.get(tenant) != met.get(tenant)]
    places = []
    for tenant in differing:
        first, count = await find_lost(cursor, walk, tenant, INDEXES[index])
        if first is None:
            size, _ = expected.get(tenant, NO_ROWS)
            places.append(
                damaged_place(tenant, f"index {index}", f"the entries of the ledger, {size}", "others", index)
            )
        else:
            place = f"entry {first}" if count == 1 else f"entry {first} (and {count - 1} more)"
            places.append(
                damaged_place(tenant, place, f"to be found through the index {index}", "nothing there", index)
            )
    return places


async def find_lost(cursor: Cursor, walk: composing.SQL, tenant: str, rows: str) -> tuple[int | None, int]:
    """The first entry that the walk does not meet, and how many there are."""
    await cursor.execute(LOST.format(walk=walk), {"first": tenant, "last": tenant, "rows": rows})
    ((first, count),) = await cursor.fetchall()
    return first, count


def damaged_place(tenant: str, place: str, expected: str, got: str, index: str) -> DamagedPlace:
    return DamagedPlace(tenant=tenant, place=place, expected=expected, got=got, next_step=REINDEX.format(index))
