"""Whatever a superuser does to the tables is found in the running database, and the place is named."""

import re

import pytest

from contract.store.ledger_check import REMOVE
from contract.tamper.conftest import COUNT, Victim
from examples import SIGNER, append_as_system, body
from trenova.ledger import hashing, signing, tree
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store.verification.verifier import claim

STRANGER = LedgerSigner(prefix=SIGNER.prefix, secrets=(signing.Signer(name="x", seed=bytes(range(1, 33))),))
OTHER_BODY = "convert_to(replace(convert_from(body, 'UTF8'), 'u-1', 'u-2'), 'UTF8')"


async def test_an_untouched_ledger_has_no_damaged_place(victim: Victim) -> None:
    verdict = await victim.verdict()
    assert verdict.places == []
    assert (verdict.size, verdict.removed, verdict.checkpoints, verdict.unsigned) == (COUNT, 0, 4, 0)


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        pytest.param(
            f"UPDATE entries SET body = {OTHER_BODY} WHERE tenant = %s AND index = 7",
            r"entry 7: expected the commitment [0-9a-f]{64}, got [0-9a-f]{64}",
            id="a body",
        ),
        pytest.param(
            "UPDATE entries SET body = '{' WHERE tenant = %s AND index = 7",
            r"entry 7: expected the commitment [0-9a-f]{64}, got a body that is not an entry",
            id="a body into nonsense",
        ),
        pytest.param(
            "UPDATE entries SET salt = set_byte(salt, 15, get_byte(salt, 15) # 1) WHERE tenant = %s AND index = 256",
            r"entry 256: expected the commitment [0-9a-f]{64}, got [0-9a-f]{64}",
            id="a salt",
        ),
        *(
            pytest.param(
                f"UPDATE entries SET {column} = {column} || 'x' WHERE tenant = %s AND index = 599",
                f"entry 599: expected {column} as the body has it, got another",
                id=column,
            )
            for column in ("actor_type", "actor_id", "action", "target_type", "target_id", "outcome")
        ),
        *(
            pytest.param(
                f"UPDATE entries SET {column} = {column} + interval '1 microsecond' WHERE tenant = %s AND index = 255",
                f"entry 255: expected {column} as the body has it, got another",
                id=column,
            )
            for column in ("occurred_at", "received_at")
        ),
        pytest.param(
            "UPDATE entries SET id = gen_random_uuid() WHERE tenant = %s AND index = 0",
            "entry 0: expected id as the body has it, got another",
            id="id",
        ),
        pytest.param(
            "DELETE FROM entries WHERE tenant = %s AND index = 300",
            "entry 300: expected a row, got none",
            id="a row deleted",
        ),
        pytest.param(
            "DELETE FROM entries WHERE tenant = %s AND index BETWEEN 590 AND 599",
            "entries 590–599: expected a row, got none",
            id="the last rows deleted",
        ),
        pytest.param(
            "INSERT INTO entries SELECT tenant, gen_random_uuid(), 600, occurred_at, received_at, actor_type, actor_id,"
            " action, target_type, target_id, outcome, body, salt, commitment FROM entries"
            " WHERE tenant = %s AND index = 5",
            "entry 600: expected nothing in a ledger of 600 entries, got rows",
            id="a row inserted",
        ),
        pytest.param(
            "UPDATE heads SET size = size + 0, frontier = set_byte(frontier, 0, get_byte(frontier, 0) # 1)"
            " WHERE tenant = %s",
            "head: expected the frontier of the tree in the tiles, got another",
            id="the head's tree",
        ),
        pytest.param(
            "UPDATE checkpoints SET note = set_byte(note, 70, get_byte(note, 70) # 1) WHERE tenant = %s AND size = 512",
            r"checkpoint 512: expected a signed note of this size, got (note|checkpoint): .*",
            id="an older checkpoint",
        ),
        pytest.param(
            "DELETE FROM checkpoints WHERE tenant = %s AND size = 600",
            r"checkpoint 600: expected the newest one, with a valid signature of .*, got none",
            id="the newest checkpoint deleted",
        ),
        pytest.param(
            "INSERT INTO tiles SELECT tenant, 2, 0, hashes FROM tiles WHERE tenant = %s AND level = 1",
            "tile 0 of level 2: expected 0 hashes, got 2",
            id="a tile too many",
        ),
        pytest.param(
            "UPDATE tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE tenant = %s AND level = 1",
            r"tile 0 of level 1, hash 1: expected [0-9a-f]{64}, the root of the tile below, got [0-9a-f]{64}",
            id="an upper tile",
        ),
    ],
)
async def test_one_change_is_one_damaged_place(victim: Victim, statement: str, place: str) -> None:
    await victim.tamper(statement)
    (found,) = await victim.places()
    assert re.fullmatch(place, found), found


@pytest.mark.parametrize("byte", [0, 1, -1])
async def test_any_byte_of_a_commitment_is_noticed_beside_its_body_and_its_tile(victim: Victim, byte: int) -> None:
    at = byte % hashing.HASH_BYTES
    await victim.tamper(
        f"UPDATE entries SET commitment = set_byte(commitment, {at}, get_byte(commitment, {at}) # 128)"
        " WHERE tenant = %s AND index = 400"
    )
    beside_body, beside_tile = await victim.places()
    assert beside_body.startswith("entry 400: expected the commitment")
    assert beside_tile.startswith("entry 400: expected the leaf")


async def test_two_swapped_rows_are_named_with_the_places_where_they_belong(victim: Victim) -> None:
    for old, new in ((8, 1000), (9, 8), (1000, 9)):
        await victim.tamper(f"UPDATE entries SET index = {new} WHERE tenant = %s AND index = {old}")
    eight, nine = await victim.places()
    assert re.fullmatch("entry 8: expected the leaf .* got what belongs to entry 9", eight)
    assert re.fullmatch("entry 9: expected the leaf .* got what belongs to entry 8", nine)


async def test_two_swapped_bodies_are_named_too(victim: Victim) -> None:
    await victim.tamper(
        "UPDATE entries AS e SET (salt, body) = ("
        " SELECT o.salt, o.body FROM entries AS o WHERE o.tenant = e.tenant AND o.index = 17 - e.index"
        ") WHERE tenant = %s AND index IN (8, 9)"
    )
    found = "\n".join(await victim.places())
    assert re.search("entry 8: expected the commitment .* got what belongs to entry 9", found)
    assert re.search("entry 9: expected the commitment .* got what belongs to entry 8", found)


async def test_a_changed_tile_is_named_with_the_entry_the_tile_above_and_the_first_checkpoint_it_spoils(
    victim: Victim,
) -> None:
    await victim.tamper(
        "UPDATE tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)"
        " WHERE tenant = %s AND level = 0 AND index = 1"
    )
    entry, above, head, first = await victim.places()
    assert entry.startswith("entry 256: expected the leaf")
    assert above.startswith("tile 0 of level 1, hash 1: expected")
    assert head.startswith("head: expected the frontier")
    assert first.startswith("checkpoint 512 (and 2 later ones): expected the root")


async def test_a_missing_tile_is_named(victim: Victim) -> None:
    await victim.tamper("DELETE FROM tiles WHERE tenant = %s AND level = 1")
    assert [place.partition(":")[0] for place in await victim.places()] == [
        "tile 0 of level 1, hash 0",
        "tile 0 of level 1, hash 1",
    ]


async def set_head_back(victim: Victim) -> None:
    """To 512, where the frontier is one hash: that of both whole tiles."""
    whole = [hashing.leaf(one) for one in await victim.store.ledgers.commitments(victim.tenant, 0, 512)]
    await victim.tamper(f"UPDATE heads SET size = 512, frontier = '\\x{tree.root_of(whole).hex()}' WHERE tenant = %s")


async def roll_back(victim: Victim) -> None:
    """To the checkpoint of 512, as consistently as can be: rows, tiles, head, batches; the checkpoints stay."""
    await set_head_back(victim)
    await victim.tamper("DELETE FROM entries WHERE tenant = %s AND index >= 512")
    await victim.tamper("DELETE FROM tiles WHERE tenant = %s AND level = 0 AND index = 2")
    await victim.tamper("DELETE FROM batches WHERE tenant = %s AND first_index >= 512")


async def test_a_head_that_was_set_back_is_contradicted_by_rows_tiles_and_checkpoints(victim: Victim) -> None:
    await set_head_back(victim)
    assert await victim.places() == [
        "entries 512–599: expected nothing in a ledger of 512 entries, got rows",
        "head: expected 600 entries or more, as checkpoint 600 (and 1 more) says, got 512 entries",
        "tile 2 of level 0: expected 0 hashes, got 88",
        "batches: expected a batch that begins, or the last one that ends, at 512, got 600",
    ]


async def test_a_tail_that_was_rolled_back_is_found_by_the_remaining_checkpoints(victim: Victim) -> None:
    await roll_back(victim)
    (place,) = await victim.places()
    assert place == "head: expected 600 entries or more, as checkpoint 600 (and 1 more) says, got 512 entries"


async def test_a_tail_that_was_rolled_back_with_its_checkpoints_is_found_by_one_that_a_reader_has_kept(
    victim: Victim,
) -> None:
    mine = claim(await victim.checkpoint(590), SIGNER.keys)[1]
    assert await victim.places(known=(mine,)) == []
    await roll_back(victim)
    await victim.tamper("DELETE FROM checkpoints WHERE tenant = %s AND size > 512")
    assert await victim.places() == []  # nothing in the database remembers
    (place,) = await victim.places(known=(mine,))
    assert place == "head: expected 590 entries or more, as your checkpoint 590 says, got 512 entries"


async def test_a_deleted_ledger_is_found_by_a_checkpoint_that_a_reader_has_kept(victim: Victim) -> None:
    mine = claim(await victim.checkpoint(590), SIGNER.keys)[1]
    await victim.tamper("DELETE FROM entries WHERE tenant = %s")
    await victim.tamper("DELETE FROM tiles WHERE tenant = %s")
    await victim.tamper("DELETE FROM checkpoints WHERE tenant = %s")
    await victim.tamper("DELETE FROM batches WHERE tenant = %s")
    await victim.tamper("DELETE FROM heads WHERE tenant = %s")
    missing, behind = await victim.places(known=(mine,))
    assert missing == "head: expected a row, got none"
    assert behind == "head: expected 590 entries or more, as your checkpoint 590 says, got 0 entries"


async def test_checkpoints_that_another_key_signed_do_not_count(victim: Victim) -> None:
    leaves = [hashing.leaf(one) for one in await victim.store.ledgers.commitments(victim.tenant, 0, COUNT)]
    note = STRANGER.sign(victim.tenant, size=COUNT, root=tree.root_of(leaves))
    await victim.tamper(f"UPDATE checkpoints SET note = '\\x{note.hex()}' WHERE tenant = %s AND size = {COUNT}")
    (place,) = await victim.places()
    assert place.startswith(f"checkpoint {COUNT}: expected the newest one, with a valid signature of {SIGNER.prefix}")
    assert await victim.places(signer=STRANGER) == []


async def test_after_a_rotation_older_checkpoints_of_a_former_key_are_counted_and_are_not_damage(
    victim: Victim,
) -> None:
    leaves = [hashing.leaf(one) for one in await victim.store.ledgers.commitments(victim.tenant, 0, 100)]
    note = STRANGER.sign(victim.tenant, size=100, root=tree.root_of(leaves))
    await victim.tamper(f"UPDATE checkpoints SET note = '\\x{note.hex()}' WHERE tenant = %s AND size = 100")
    verdict = await victim.verdict()
    assert (verdict.places, verdict.checkpoints, verdict.unsigned) == ([], 4, 1)


async def test_a_history_that_was_rewritten_and_signed_with_the_ledgers_key_is_found_by_an_older_checkpoint(
    victim: Victim,
) -> None:
    """An attacker who has the key, too, changes an entry and everything above it, and forgets one checkpoint."""
    await victim.tamper(
        "UPDATE entries AS e SET (salt, commitment, body) = ("
        " SELECT o.salt, o.commitment, o.body FROM entries AS o WHERE o.tenant = e.tenant AND o.index = 9"
        ") WHERE tenant = %s AND index = 8"
    )
    leaves = [hashing.leaf(one) for one in await victim.store.ledgers.commitments(victim.tenant, 0, COUNT)]
    growth = tree.grow(tree.Frontier(), leaves)
    tile, upper = b"".join(leaves[:256]).hex(), tree.root_of(leaves[:256]).hex()
    frontier = b"".join(growth.frontier.hashes).hex()
    await victim.tamper(f"UPDATE tiles SET hashes = '\\x{tile}' WHERE tenant = %s AND level = 0 AND index = 0")
    await victim.tamper(
        f"UPDATE tiles SET hashes = '\\x{upper}'::bytea || substring(hashes FROM 33) WHERE tenant = %s AND level = 1"
    )
    await victim.tamper(f"UPDATE heads SET frontier = '\\x{frontier}' WHERE tenant = %s")
    for size in (100, 512, COUNT):
        note = SIGNER.sign(victim.tenant, size=size, root=tree.root_of(leaves[:size]))
        await victim.tamper(f"UPDATE checkpoints SET note = '\\x{note.hex()}' WHERE tenant = %s AND size = {size}")
    found = await victim.places()
    assert "entry 8: expected id as the body has it, got another" in found
    assert [place for place in found if place.startswith("checkpoint 590: expected the root")]


async def test_two_checkpoints_that_a_forked_ledger_showed_to_two_readers_contradict_each_other(victim: Victim) -> None:
    forked_note = SIGNER.sign(victim.tenant, size=550, root=hashing.EMPTY_ROOT)
    _, fork = claim(forked_note, SIGNER.keys)
    (place,) = await victim.places(known=(fork,))
    assert place.startswith(f"your checkpoint 550: expected the root {hashing.EMPTY_ROOT.hex()} that was signed, got ")


async def test_bodies_that_were_removed_without_the_ledger_are_named_and_everything_else_is_proved(
    victim: Victim,
) -> None:
    await victim.tamper(REMOVE + "index IN (8, 9, 400)")
    verdict = await victim.verdict()
    assert verdict.removed == 3
    expected = "expected a body, or an entry retention.remove that reports it, got neither"
    assert await victim.places() == [f"entries 8–9: {expected}", f"entry 400: {expected}"]


async def test_an_entry_that_a_client_sent_reports_no_removal(victim: Victim) -> None:
    await victim.tamper(REMOVE + "index = 8")
    forged = body(victim.tenant, action="retention.remove", metadata={"indexes": [[0, 600]]})
    await append_as_system(victim.store, forged)
    (place,) = await victim.places()
    assert place.startswith("entry 8: expected a body, or an entry retention.remove")
