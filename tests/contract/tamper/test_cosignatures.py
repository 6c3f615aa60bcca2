"""Cosignatures that no longer fit the ledger are found in the running database."""

from datetime import UTC, datetime

import pytest

from contract.tamper.conftest import COUNT, Victim
from examples import SIGNER
from trenova.ledger import note as notes
from trenova.ledger import signing
from trenova.ledger.signing import Signer
from trenova.store.cosignatures import Cosignature
from trenova.store.verification import Verifier

WITNESS = Signer(name="witness.example.com/w1", seed=bytes(range(7, 39)), algorithm=notes.COSIGNATURE)


async def cosign(victim: Victim, *sizes: int) -> None:
    for size in sizes:
        note = notes.parse(await victim.checkpoint(size))
        line = notes.parse(signing.cosign(note, WITNESS, timestamp=1_700_000_000)).signatures[-1]
        kept = Cosignature(
            origin=f"{SIGNER.prefix}/{victim.tenant}",
            witness=f"{WITNESS.name}+{WITNESS.key.id.hex()}",
            size=size,
            text=note.text,
            line=line.line,
            cosigned_at=datetime.fromtimestamp(line.timestamp, UTC),
        )
        await victim.store.cosignatures.add(kept)


async def places(victim: Victim) -> list[str]:
    verifier = Verifier(url=victim.url, keys=SIGNER.keys, workers=victim.workers, witnesses=(WITNESS.key,))
    (verdict,) = [one async for one in verifier.logs(lambda *_: None, tenant=victim.tenant)]
    return [f"{each.place}: {each.got}" for each in verdict.places if WITNESS.name in f"{each.place} {each.expected}"]


async def test_cosignatures_of_the_stored_ledger_fit(victim: Victim) -> None:
    await cosign(victim, 100, COUNT)
    assert await places(victim) == []


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (
            "UPDATE checkpoints SET note = overlay(note PLACING '\\x414141' FROM 60) WHERE tenant = %s AND size = 100",
            f"cosignature 100 of {WITNESS.name}: one with another text",
        ),
        (
            "DELETE FROM checkpoints WHERE tenant = %s AND size = 100",
            f"cosignature 100 of {WITNESS.name}: no checkpoint of this size",
        ),
        (
            "UPDATE heads SET size = 512, frontier = sha256('') WHERE tenant = %s",
            "head: 512 entries",
        ),
        (
            "UPDATE cosignatures SET line = overlay(line PLACING 'AAAA' FROM 60) WHERE origin LIKE '%%/' || %s",
            f"cosignature 600 of {WITNESS.name}: one that is not",
        ),
    ],
)
async def test_a_cosignature_that_does_not_fit_is_named(victim: Victim, statement: str, found: str) -> None:
    await cosign(victim, 100, COUNT)
    await victim.tamper(statement)
    assert found in await places(victim)


async def test_a_ledger_that_only_a_witness_knows_is_missed(victim: Victim) -> None:
    await cosign(victim, COUNT)
    for table in ("entries", "tiles", "checkpoints", "heads", "batches"):
        await victim.tamper(f"DELETE FROM {table} WHERE tenant = %s")
    assert await places(victim) == ["head: 0 entries"]
