"""The same tampering, seen by a reader of an evidence file with the ledger's key and perhaps an older checkpoint."""

import io

import pytest

from contract.store.ledger_check import REMOVE
from contract.tamper.conftest import COUNT, Victim, store_ledger
from contract.tamper.test_live import OTHER_BODY, STRANGER, roll_back
from examples import SIGNER
from trenova.errors import InvalidRequest, LedgerDamaged
from trenova.ledger import hashing, signing, tree
from trenova.ledger.evidence import check, write
from trenova.ledger.evidence.verdict import Verdict
from trenova.store.evidence import evidence
from trenova.store.verification import claim


async def verdict(victim: Victim, *, kept: bytes | None = None, proved: bytes | None = None) -> Verdict:
    """Of a file of the whole ledger; `kept` is the reader's checkpoint, `proved` the one the file must continue."""
    keys = SIGNER.keys(victim.tenant)
    known = [proved] if proved else []
    source = await evidence(victim.store.ledgers, victim.tenant, keys=keys, known=known)
    content = write.start(source.header)
    async for section in source.sections():
        content += write.section(section)
    content += write.finish(source.header)
    mine = [kept] if kept else []
    return check.check(io.BytesIO(content), check_signature=signing.check, keys=keys, known=mine)


def findings_of(verdict: Verdict) -> list[tuple[str, int | None]]:
    return [(str(damage.kind), damage.first) for damage in verdict.damages]


@pytest.mark.parametrize(
    ("statement", "places"),
    [
        (f"UPDATE entries SET body = {OTHER_BODY} WHERE tenant = %s AND index = 7", [("changed", 7)]),
        (
            "UPDATE entries SET salt = set_byte(salt, 0, get_byte(salt, 0) # 1) WHERE tenant = %s AND index = 599",
            [("changed", 599)],
        ),
        (
            (
                "UPDATE entries SET commitment = set_byte(commitment, 9, get_byte(commitment, 9) # 1)"
                " WHERE tenant = %s AND index = 300"
            ),
            [("commitments", 256), ("changed", 300)],
        ),
        (
            (
                "UPDATE entries AS e SET (salt, body) = (SELECT o.salt, o.body FROM entries AS o"
                " WHERE o.tenant = e.tenant AND o.index = 17 - e.index) WHERE tenant = %s AND index IN (8, 9)"
            ),
            [("swapped", 8)],
        ),
        (
            "UPDATE tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1) WHERE tenant = %s AND level = 1",
            [("commitments", 0), ("commitments", 512)],
        ),
        ("UPDATE entries SET actor_id = 'x' WHERE tenant = %s AND index = 7", []),
        (REMOVE + "index IN (0, 400)", []),
    ],
)
async def test_a_change_is_named_by_the_verifier_of_the_file(
    victim: Victim, statement: str, places: list[tuple[str, int | None]]
) -> None:
    await victim.tamper(statement)
    assert findings_of(await verdict(victim)) == places


async def test_removed_bodies_are_counted_and_everything_else_is_proved(victim: Victim) -> None:
    await victim.tamper(REMOVE + "index IN (0, 400)")
    good = await verdict(victim)
    assert (good.holds, good.entries, good.removed) == (True, COUNT, ((0, 0), (400, 400)))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entries WHERE tenant = %s AND index = 7",
        "DELETE FROM entries WHERE tenant = %s AND index >= 590",
        "DELETE FROM tiles WHERE tenant = %s AND level = 1",
    ],
)
async def test_missing_rows_prevent_the_file_from_being_written(victim: Victim, statement: str) -> None:
    await victim.tamper(statement)
    with pytest.raises(LedgerDamaged, match=f"the ledger of {victim.tenant}"):
        await verdict(victim)


async def test_a_checkpoint_of_another_key_is_rejected(victim: Victim) -> None:
    leaves = [hashing.leaf(one) for one in await victim.store.ledgers.commitments(victim.tenant, 0, COUNT)]
    note = STRANGER.sign(victim.tenant, size=COUNT, root=tree.root_of(leaves))
    await victim.tamper(f"UPDATE checkpoints SET note = '\\x{note.hex()}' WHERE tenant = %s AND size = {COUNT}")
    with pytest.raises(InvalidRequest, match="is not signed by any of the given keys"):
        await verdict(victim)


async def test_a_ledger_that_was_rolled_back_is_older_than_what_a_reader_has_kept(victim: Victim) -> None:
    kept = await victim.checkpoint(590)
    await roll_back(victim)
    await victim.tamper("DELETE FROM checkpoints WHERE tenant = %s AND size > 512")
    assert (await verdict(victim)).holds
    assert findings_of(await verdict(victim, kept=kept)) == [("older", None)]
    with pytest.raises(LedgerDamaged, match="has 512 entries, but had 590"):
        await verdict(victim, proved=kept)


async def test_a_fork_from_a_common_beginning_is_found_by_the_readers_of_its_two_histories(victim: Victim) -> None:
    """The ledger shows one reader 590 entries, is rolled back to 512, and continues with others for the next reader."""
    first_reader = await victim.checkpoint(590)
    await roll_back(victim)
    await victim.tamper("DELETE FROM checkpoints WHERE tenant = %s AND size > 512")
    await store_ledger(victim.store, victim.tenant, (100,))
    assert await victim.places() == []
    assert (await verdict(victim)).holds
    assert findings_of(await verdict(victim, kept=first_reader)) == [("inconsistent", None)]
    assert ("inconsistent", None) in findings_of(await verdict(victim, proved=first_reader))
    (place,) = await victim.places(known=(claim(first_reader, SIGNER.keys)[1],))
    assert place.startswith("your checkpoint 590: expected the root")
    common = await victim.checkpoint(512)
    assert (await verdict(victim, kept=common, proved=common)).holds


async def test_a_checkpoint_of_another_ledger_proves_nothing(victim: Victim) -> None:
    with pytest.raises(InvalidRequest, match="the checkpoint is of the ledger"):
        await verdict(victim, proved=SIGNER.sign("somebody-else", size=1, root=bytes(32)))
