"""Signing the newest checkpoints anew: after a change of keys or of the origin, and of trees that were never signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import structlog

from trenova.errors import InvalidConfiguration, LedgerDamaged, VerificationError
from trenova.ledger import note as notes
from trenova.ledger import tree
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.note import Note
from trenova.ledger.tree import Frontier
from trenova.store import trees
from trenova.store.pool import Pool
from trenova.store.sql import sql

HEADS_TO_SIGN, LOCK_HEADS = sql("heads_to_sign"), sql("lock_heads")
CHECKPOINTS_AT, SIGN_ANEW = sql("checkpoints_at"), sql("sign_anew")

PAGE = 100  # heads that are looked at, and locked at most, at a time: a fiftieth of a second's signatures
LOOKED_AT = 1000
RESTORE = "restore the tables heads and tiles from a backup"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """What was signed of a log before."""

    note: bytes | None
    """Its checkpoint at the size of its head."""
    newest: int | None
    """The size of its newest checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """Which logs have a newest checkpoint without a signature of one of our keys, of how many that were looked at."""

    tenants: tuple[str, ...]
    logs: int


@dataclass(frozen=True, slots=True)
class Checkpoints:
    pool: Pool
    signer: LedgerSigner | None = None

    async def sign_anew(self) -> int:
        """Sign each log's newest checkpoint that is missing or lacks a signature of one of our keys; give their number.

        Logs that are written to get a new checkpoint with every append; a quiet one would keep its old key's for ever.
        Any number of workers may do this at once, while others append. Dying half-way leaves whole pages, and the next
        start goes on. A log that contradicts what was signed of it is reported, and left as it is: others must go on.
        """
        if self.signer is None:
            raise InvalidConfiguration(["nothing is signed without a signing key, and this program has none"])
        signed, after = 0, ""
        while True:
            async with self.pool.cursor() as cursor:
                await cursor.execute(HEADS_TO_SIGN, {"after": after, "limit": PAGE})
                page = await cursor.fetchall()
                lacking = [tenant for tenant, note in page if lacks(self.signer, tenant, note)]
                if lacking:
                    signed += await sign_locked(cursor, self.signer, lacking)
            if len(page) < PAGE:
                return signed
            after = page[-1][0]

    async def unsigned(self) -> Unsigned:
        """Look at the first LOOKED_AT logs, and change nothing."""
        assert self.signer is not None
        async with self.pool.cursor() as cursor:
            await cursor.execute(HEADS_TO_SIGN, {"after": "", "limit": LOOKED_AT})
            page = await cursor.fetchall()
        return Unsigned(
            tenants=tuple(tenant for tenant, note in page if lacks(self.signer, tenant, note)), logs=len(page)
        )


async def sign_locked(cursor: psycopg.AsyncCursor[Any], signer: LedgerSigner, tenants: Sequence[str]) -> int:
    """Lock these heads, sorted as in every append so that neither waits for the other in a circle, and sign them."""
    await cursor.execute(LOCK_HEADS, {"tenants": tenants})
    heads = {tenant: trees.frontier_of(size, bytes(hashes)) for tenant, size, hashes in await cursor.fetchall()}
    sizes = [frontier.size for frontier in heads.values()]
    # A statement after the lock: what another worker has signed meanwhile is in its snapshot.
    await cursor.execute(CHECKPOINTS_AT, {"tenants": list(heads), "sizes": sizes})
    there = {tenant: There(note=note, newest=newest) for tenant, note, newest in await cursor.fetchall()}
    made = signed_notes(signer, heads, there)
    columns = {
        "tenants": list(made),
        "sizes": [heads[tenant].size for tenant in made],
        "notes": list(made.values()),
    }
    await cursor.execute(SIGN_ANEW, columns)
    return len(made)


def signed_notes(signer: LedgerSigner, heads: Mapping[str, Frontier], there: Mapping[str, There]) -> dict[str, bytes]:
    """The notes to write, by tenant: of those heads that still lack a signature, and that contradict none."""
    made = {}
    for tenant, frontier in heads.items():
        if not lacks(signer, tenant, there[tenant].note):
            continue
        try:
            made[tenant] = note_of(signer, tenant, frontier, there[tenant])
        except LedgerDamaged as error:
            # Its own appends are refused too, and wait; everybody else's must not.
            sizes = {"size": frontier.size, "signed_size": there[tenant].newest}
            log.error("log damaged", tenant=tenant, **sizes, error=error.message)  # noqa: TRY400 - the message says all
    return made


def note_of(signer: LedgerSigner, tenant: str, frontier: Frontier, there: There) -> bytes:
    """The head's checkpoint with our signatures.

    Raises LedgerDamaged for a head that is not the one that was signed.
    """
    if there.newest is not None and there.newest > frontier.size:
        raise LedgerDamaged(
            f"the head of the log {tenant} was set back: expected size {there.newest}, got {frontier.size}",
            hint=RESTORE,
        )
    return joined(signer.sign(tenant, size=frontier.size, root=tree.root(frontier)), there.note)


def lacks(signer: LedgerSigner, tenant: str, note: bytes | None) -> bool:
    """Whether the checkpoint is not there, cannot be read, or has not got a signature line of each of our keys."""
    found = read(note)
    lines = {(line.name, line.key_id) for line in found.signatures} if found else set()
    return not lines.issuperset((key.name, key.id) for key in signer.keys(tenant))


def joined(ours: bytes, there: bytes | None) -> bytes:
    """Our note with the other signatures that the same text already has: of former keys, of witnesses."""
    fresh, old = notes.parse(ours), read(there)
    if old is None or origin(old) != origin(fresh):
        return ours
    if old.text != fresh.text:
        # Never sign a second history: whoever holds both notes could prove that the log has forked.
        raise LedgerDamaged(
            f"the tree of {origin(old)} is not the one that was signed at its size",
            hint=RESTORE,
        )
    known = {(line.name, line.key_id) for line in fresh.signatures}
    others = (line for line in old.signatures if (line.name, line.key_id) not in known)
    return replace(fresh, signatures=(*fresh.signatures, *others)).encode()


def origin(note: Note) -> str:
    return note.text.partition("\n")[0]


def read(note: bytes | None) -> Note | None:
    try:
        return None if note is None else notes.parse(bytes(note))
    except VerificationError:
        return None
