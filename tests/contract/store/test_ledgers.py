"""Reading what proofs are made of."""

import uuid
from typing import Any

import psycopg

from conftest import new_tenant
from contract.store.ledger_check import REMOVE, past_triggers
from examples import SIGNER, bodies, ids
from trenova.ledger import hashing, prove, signing, tiles, verify
from trenova.store import Store
from trenova.store.ledgers import Leaf

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
COUNT = 600


async def leaves(store: Store, tenant: str, first: int, count: int) -> list[Leaf]:
    return [leaf async for leaf in store.ledgers.leaves(tenant, first, count)]


async def test_an_entry_is_proved_from_what_is_read(store: Store, tenant: str) -> None:
    sent = bodies(tenant, COUNT)
    await store.entries.append(str(uuid.uuid4()), sent)
    (id_,) = ids([sent[300]])
    leaf = await store.ledgers.find(tenant, id_)
    signed = await store.ledgers.newest(tenant)
    assert leaf is not None
    assert leaf.salt is not None
    assert signed is not None
    assert (leaf.index, leaf.body) == (300, sent[300])
    nodes = prove.nodes(*prove.inclusion_spans(leaf.index, signed.size))
    wanted = [(tile.level, tile.index) for tile in tiles.cover(nodes, signed.size)]
    read = tiles.node_reader(await store.ledgers.tiles(tenant, wanted))
    origin = f"{SIGNER.prefix}/{tenant}"
    head = verify.signed_checkpoint(signed.note, origin=origin, keys=SIGNER.keys(tenant), check=signing.check)
    verify.entry(salt=leaf.salt, body=sent[300], commitment=leaf.commitment)
    verify.inclusion(
        leaf_hash=hashing.leaf(leaf.commitment),
        index=leaf.index,
        size=head.size,
        path=prove.inclusion(leaf.index, head.size, read),
        root=head.root,
    )


async def test_a_stretch_is_read_in_the_order_of_the_ledger_and_ends_where_the_ledger_ends(
    store: Store, tenant: str
) -> None:
    sent = bodies(tenant, COUNT)
    await store.entries.append(str(uuid.uuid4()), sent)
    for first, count in ((0, COUNT), (0, 1), (255, 2), (10, 512), (590, 100), (COUNT, 5), (0, 0)):
        found = await leaves(store, tenant, first, count)
        assert [leaf.body for leaf in found] == sent[first : first + count]
        assert [leaf.index for leaf in found] == list(range(first, min(COUNT, first + count)))
        assert await store.ledgers.commitments(tenant, first, count) == [leaf.commitment for leaf in found]


async def test_a_removed_body_leaves_its_commitment(store: Store, owner: Owner, tenant: str) -> None:
    sent = bodies(tenant, 2)
    await store.entries.append(str(uuid.uuid4()), sent)
    (before, _) = await leaves(store, tenant, 0, 2)
    await past_triggers(owner, REMOVE + "index = 0", tenant)
    removed = Leaf(index=0, salt=None, commitment=before.commitment, body=None)
    assert (await leaves(store, tenant, 0, 2))[0] == removed
    assert await store.ledgers.find(tenant, ids(sent)[0]) == removed


async def test_checkpoints_are_found_where_appends_ended(store: Store, tenant: str) -> None:
    for count in (2, 3):
        await store.entries.append(str(uuid.uuid4()), bodies(tenant, count))
    first, last = await store.ledgers.at(tenant, 2), await store.ledgers.at(tenant, 5)
    assert first is not None
    assert last is not None
    assert (first.size, last.size) == (2, 5)
    assert first.signed_at < last.signed_at
    assert await store.ledgers.newest(tenant) == last
    assert await store.ledgers.at(tenant, 4) is None


async def test_what_does_not_exist_is_not_found(store: Store, tenant: str) -> None:
    await store.entries.append(str(uuid.uuid4()), bodies(tenant, 1))
    unknown_tenant = new_tenant()
    assert await store.ledgers.newest(unknown_tenant) is None
    assert await store.ledgers.find(tenant, uuid.uuid4()) is None
    assert list(await store.ledgers.tiles(tenant, [(0, 0), (0, 1), (1, 0)])) == [(0, 0)]
    assert await store.ledgers.tiles(tenant, []) == {}
    assert await leaves(store, unknown_tenant, 0, 10) == []
