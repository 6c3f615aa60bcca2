"""What readers find of an entry whose body was removed: no content, and everything that proves its place."""

import uuid
from typing import Any

import psycopg

from contract.store.ledger_check import REMOVE, past_triggers
from contract.store.test_feed import until
from examples import bodies, ids
from trenova.domain.entry import SealedEntry
from trenova.store import Store
from trenova.store.search import START_OF_FEED, Filters

Owner = psycopg.AsyncConnection[tuple[Any, ...]]


async def test_searches_skip_it(store: Store, owner: Owner, tenant: str) -> None:
    sent = bodies(tenant, 4)
    await store.entries.append(str(uuid.uuid4()), sent)
    await past_triggers(owner, REMOVE + "index = 1", tenant)
    left = [sent[0], sent[2], sent[3]]
    for filters in (
        Filters(tenant=tenant),
        Filters(tenant=tenant, text="shipment"),
        Filters(tenant=tenant, action="sh*"),
    ):
        found = await store.search.page(filters, after=None, limit=3)
        assert (sorted(found.bodies), found.next) == (sorted(left), None)
    assert await until(store, Filters(tenant=tenant), START_OF_FEED, 3) == left


async def test_it_is_found_without_salt_and_body_and_is_a_duplicate_when_it_is_sent_again(
    store: Store, owner: Owner, tenant: str
) -> None:
    sent = bodies(tenant, 3)
    await store.entries.append("first", sent)
    await past_triggers(owner, REMOVE + "index = 1", tenant)
    again = await store.entries.append("again", sent)
    assert (again.stored, again.duplicate) == (0, 3)
    id_ = ids(sent)[1]
    receipt = (await store.entries.receipts(["again"], [SealedEntry(id=id_, tenant=tenant, body=sent[1])]))[tenant, id_]
    assert (receipt.index, receipt.salt, receipt.has_body, receipt.by_this_batch) == (1, None, False, False)
    found = (await store.entries.find(id_, tenant=tenant))[tenant]
    assert (found.index, found.salt, found.body) == (1, None, None)
    assert found.commitment == receipt.commitment
    assert await store.ledgers.commitments(tenant, 1, 1) == [receipt.commitment]
