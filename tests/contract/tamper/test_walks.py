"""Entries that an index does not find are named, although they are in the table."""

import pytest

from contract.retention.conftest import old_bodies
from contract.tamper.conftest import Owner, Victim
from trenova.store.verification import walks

STALE = """
UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = '{index}'::regclass
"""
FRESH = """
UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = '{index}'::regclass
"""


@pytest.mark.parametrize("index", walks.INDEXES)
async def test_entries_that_an_index_does_not_hold_are_named(victim: Victim, owner: Owner, index: str) -> None:
    """The index was turned off while entries were stored, and on again."""
    await owner.execute(STALE.format(index=index).encode())
    try:
        sent = old_bodies(victim.tenant, 1, 1, 1, outcome="denied")
        await victim.store.entries.append("hidden", sent)
        await owner.execute(FRESH.format(index=index).encode())
        found = await victim.places()
    finally:
        await owner.execute(FRESH.format(index=index).encode())
        await owner.execute(f"REINDEX INDEX {index}".encode())
    assert found == [f"entry 600 (and 2 more): expected to be found through the index {index}, got nothing there"]
    assert await victim.places() == []


async def test_a_b_tree_out_of_order_is_named_where_amcheck_is_installed(victim: Victim, owner: Owner) -> None:
    """Its last column was made to sort the other way round: it holds every entry, and finds few."""
    order = "UPDATE pg_index SET indoption = '0 0 0 {}' WHERE indexrelid = 'entries_by_actor'::regclass"
    await owner.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
    try:
        async with owner.transaction(), owner.cursor() as cursor:
            assert await walks.check_structure(cursor) == []
            await owner.execute(order.format(3).encode())
            (found,) = await walks.check_structure(cursor)
    finally:
        await owner.execute(order.format(0).encode())
        await owner.execute("DROP EXTENSION amcheck")
    assert found.place == "database: index entries_by_actor"
    assert "REINDEX INDEX CONCURRENTLY entries_by_actor" in found.next_step
