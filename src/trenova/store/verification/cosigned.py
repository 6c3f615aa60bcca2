"""Whether what witnesses have cosigned of a ledger still agrees with it: its heads, and its roots at those sizes.

The roots of the stored checkpoints are compared with the tree elsewhere; here each cosignature is compared with the
checkpoint of its size. With the witnesses' keys the newest lines are verified, too.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from trenova.errors import VerificationError
from trenova.ledger import note as notes
from trenova.ledger import signing, verify
from trenova.ledger.note import VerifierKey
from trenova.store.sql import sql
from trenova.store.verification.ledger import LedgerCheck

VERIFIED_COSIGNATURES = sql("verified_cosignatures")

NEWEST = 100  # lines of a ledger that are verified; of those that do not fit, as many are reported


class StoredCosignature(NamedTuple):
    """A row of `verified_cosignatures.sql`."""

    witness: str
    size: int
    line: str
    note: bytes | None
    """The stored checkpoint of this size."""
    fits: bool
    """Whether that has the cosigned text."""

    @property
    def name(self) -> str:
        return self.witness.rpartition("+")[0]


async def check(cursor: psycopg.AsyncCursor[Any], ledger: LedgerCheck, witnesses: Sequence[VerifierKey]) -> None:
    """Add the cosignatures that do not fit to the ledger's damaged places."""
    parameters = {
        "tenant": ledger.tenant,
        "origins": sorted({key.name for key in ledger.keys}),
        "limit": NEWEST,
    }
    await cursor.execute(VERIFIED_COSIGNATURES, parameters)
    cosignatures = [StoredCosignature._make(row) for row in await cursor.fetchall()]
    if beyond := [each for each in cosignatures if each.size > ledger.size]:
        largest = max(beyond, key=lambda each: (each.size, each.witness))
        ledger.add("head", f"{largest.size} entries or more, as {largest.name} has cosigned", f"{ledger.size} entries")
    for each in cosignatures:
        if not each.fits and each.size <= ledger.size:
            got = "no checkpoint of this size" if each.note is None else "one with another text"
            ledger.add(f"cosignature {each.size} of {each.name}", "the checkpoint that was cosigned", got)
    for each in cosignatures:
        if each.fits and each.note is not None and not is_valid(each.witness, each.note, each.line, witnesses):
            place = f"cosignature {each.size} of {each.name}"
            ledger.add(place, "a valid signature of the witness", "one that is not")


def is_valid(witness: str, note: bytes, line: str, witnesses: Sequence[VerifierKey]) -> bool:
    """Whether the line is a signature of this witness over the note; True, too, where its key was not given."""
    keys = [key for key in witnesses if f"{key.name}+{key.id.hex()}" == witness]
    if not keys:
        return True
    try:
        text = notes.parse(note).text
        verify.signatures(notes.parse(f"{text}\n{line}".encode()), keys=keys, check=signing.check)
    except VerificationError:
        return False
    return True
