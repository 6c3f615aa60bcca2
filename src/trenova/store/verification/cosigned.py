"""Whether what witnesses have cosigned of a log is still what the log says: its heads, and its roots at those sizes.

The roots of the kept checkpoints are compared with the tree elsewhere; here each cosignature is compared with the
checkpoint of its size. With the witnesses' keys the newest lines are verified, too.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from trenova.errors import VerificationError
from trenova.ledger import note as notes
from trenova.ledger import signing, verify
from trenova.ledger.note import VerifierKey
from trenova.store.sql import sql
from trenova.store.verification.ledger import LedgerCheck

VERIFIED_COSIGNATURES = sql("verified_cosignatures")

NEWEST = 100  # lines of a log that are verified; of those that do not fit, as many are looked at


async def check(cursor: psycopg.AsyncCursor[Any], log: LedgerCheck, witnesses: Sequence[VerifierKey]) -> None:
    """Add to the log's damaged places what does not fit."""
    asked = {"tenant": log.tenant, "origins": sorted({key.name for key in log.keys}), "limit": NEWEST}
    await cursor.execute(VERIFIED_COSIGNATURES, asked)
    found = await cursor.fetchall()
    if beyond := [(size, witness) for witness, size, *_ in found if size > log.size]:
        size, witness = max(beyond)
        log.add("head", f"{size} entries or more, as {name(witness)} has cosigned", f"{log.size} entries")
    for witness, size, _, note, fits in found:
        if not fits and size <= log.size:
            got = "no checkpoint of this size" if note is None else "one with another text"
            log.add(f"cosignature {size} of {name(witness)}", "the checkpoint that was cosigned", got)
    for witness, size, line, note, fits in found:
        if fits and (reason := objection(witnesses, witness, bytes(note), line)):
            log.add(f"cosignature {size} of {name(witness)}", "a good signature of the witness", reason)


def objection(witnesses: Sequence[VerifierKey], witness: str, note: bytes, line: str) -> str | None:
    """Why the line is no signature of this witness over the note; None when it is one, or its key was not given."""
    keys = [key for key in witnesses if f"{key.name}+{key.id.hex()}" == witness]
    if not keys:
        return None
    try:
        text = notes.parse(note).text
        verify.signatures(notes.parse(f"{text}\n{line}".encode()), keys=keys, check=signing.check)
    except VerificationError:
        return "one that is not"
    return None


def name(witness: str) -> str:
    return witness.rpartition("+")[0]
