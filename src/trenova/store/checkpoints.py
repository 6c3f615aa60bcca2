"""Signing the newest checkpoints again: after a change of keys or of the origin, and where none was ever signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import psycopg
import structlog

from trenova.errors import LedgerDamaged, VerificationError
from trenova.ledger import note as notes
from trenova.ledger import tree
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.note import Note
from trenova.ledger.tree import Frontier
from trenova.store.appending.append import LOCK_HEADS, require_signer
from trenova.store.appending.trees import frontier_of
from trenova.store.pool import Pool
from trenova.store.sql import sql

HEADS_TO_SIGN, CHECKPOINTS_AT, SIGN_ANEW = sql("heads_to_sign"), sql("checkpoints_at"), sql("sign_anew")

PAGE = 100  # heads that are read, and locked at most, at a time: a fiftieth of a second's signatures
CHECKED = 1000  # ledgers that `unsigned` reads
RESTORE = "restore the tables heads and tiles from a backup"

log = structlog.get_logger()


class HeadToSign(NamedTuple):
    """A row of `heads_to_sign.sql`."""

    tenant: str
    note: bytes | None
    """The checkpoint at the size of the head."""


class SignedBefore(NamedTuple):
    """What was signed of a ledger before."""

    note: bytes | None
    """Its checkpoint at the size of its head."""
    newest: int | None
    """The size of its newest checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureGaps:
    """The ledgers whose newest checkpoint lacks a signature of one of our keys, and how many ledgers were read."""

    tenants: tuple[str, ...]
    ledgers: int


@dataclass(frozen=True, slots=True)
class Checkpoints:
    pool: Pool
    signer: LedgerSigner | None = None

    async def sign_anew(self) -> int:
        """Sign each ledger's newest checkpoint that is missing or lacks one of our signatures; return how many.

        A ledger that grows gets a new checkpoint with every append; a quiet one would keep its old key's forever.
        Any number of workers may do this at once, while others append. A crash half-way leaves whole pages; the next
        start continues. A ledger that contradicts what was signed of it is reported and left unchanged, so that the
        others are signed.
        """
        signer = require_signer(self.signer)
        signed, after = 0, ""
        while True:
            async with self.pool.cursor() as cursor:
                page = await read_heads(cursor, after=after, limit=PAGE)
                lacking = [head.tenant for head in page if lacks_signature(signer, head.tenant, head.note)]
                if lacking:
                    signed += await sign_locked(cursor, signer, lacking)
            if len(page) < PAGE:
                return signed
            after = page[-1].tenant

    async def find_signature_gaps(self) -> SignatureGaps:
        """Read the first CHECKED ledgers, and change nothing."""
        signer = require_signer(self.signer)
        async with self.pool.cursor() as cursor:
            page = await read_heads(cursor, after="", limit=CHECKED)
        lacking = [head.tenant for head in page if lacks_signature(signer, head.tenant, head.note)]
        return SignatureGaps(tenants=tuple(lacking), ledgers=len(page))


async def read_heads(cursor: psycopg.AsyncCursor[Any], *, after: str, limit: int) -> list[HeadToSign]:
    await cursor.execute(HEADS_TO_SIGN, {"after": after, "limit": limit})
    return [HeadToSign._make(row) for row in await cursor.fetchall()]


async def sign_locked(cursor: psycopg.AsyncCursor[Any], signer: LedgerSigner, tenants: Sequence[str]) -> int:
    """Lock these heads, sorted as in every append so that no two transactions deadlock, and sign them."""
    await cursor.execute(LOCK_HEADS, {"tenants": tenants})
    heads = {tenant: frontier_of(size, hashes) for tenant, size, hashes in await cursor.fetchall()}
    sizes = [frontier.size for frontier in heads.values()]
    # A statement after the lock: its snapshot has what another worker has signed since.
    await cursor.execute(CHECKPOINTS_AT, {"tenants": list(heads), "sizes": sizes})
    before = {tenant: SignedBefore._make(columns) for tenant, *columns in await cursor.fetchall()}
    signed = signed_notes(signer, heads, before)
    columns = {
        "tenants": list(signed),
        "sizes": [heads[tenant].size for tenant in signed],
        "notes": list(signed.values()),
    }
    await cursor.execute(SIGN_ANEW, columns)
    return len(signed)


def signed_notes(
    signer: LedgerSigner, heads: Mapping[str, Frontier], before: Mapping[str, SignedBefore]
) -> dict[str, bytes]:
    """The notes to write, by tenant: of the heads that still lack a signature and contradict no checkpoint."""
    signed = {}
    for tenant, frontier in heads.items():
        if not lacks_signature(signer, tenant, before[tenant].note):
            continue
        try:
            signed[tenant] = sign_head(signer, tenant, frontier, before[tenant])
        except LedgerDamaged as error:
            # Its own appends fail too, and wait; those of others must not.
            sizes = {"size": frontier.size, "signed_size": before[tenant].newest}
            log.error("ledger damaged", tenant=tenant, **sizes, error=error.message)  # noqa: TRY400 - the message says all
    return signed


def sign_head(signer: LedgerSigner, tenant: str, frontier: Frontier, before: SignedBefore) -> bytes:
    """The head's checkpoint with our signatures.

    Raises LedgerDamaged for a head that is not the one that was signed.
    """
    if before.newest is not None and before.newest > frontier.size:
        raise LedgerDamaged(
            f"the head of the ledger {tenant} was set back: expected size {before.newest}, got {frontier.size}",
            hint=RESTORE,
        )
    return with_other_signatures(signer.sign(tenant, size=frontier.size, root=tree.root(frontier)), before.note)


def lacks_signature(signer: LedgerSigner, tenant: str, note: bytes | None) -> bool:
    """Whether the checkpoint is missing, unreadable, or without a signature line of one of our keys."""
    parsed = parse_note(note)
    lines = {(line.name, line.key_id) for line in parsed.signatures} if parsed else set()
    return not lines.issuperset((key.name, key.id) for key in signer.keys(tenant))


def with_other_signatures(ours: bytes, stored: bytes | None) -> bytes:
    """Our note with the other signatures that the same text already has: of former keys, of witnesses."""
    new, old = notes.parse(ours), parse_note(stored)
    if old is None or origin(old) != origin(new):
        return ours
    if old.text != new.text:
        # Never sign a second history: whoever holds both notes could prove that the ledger has forked.
        raise LedgerDamaged(
            f"the tree of {origin(old)} is not the one that was signed at its size",
            hint=RESTORE,
        )
    known = {(line.name, line.key_id) for line in new.signatures}
    others = (line for line in old.signatures if (line.name, line.key_id) not in known)
    return replace(new, signatures=(*new.signatures, *others)).encode()


def origin(note: Note) -> str:
    return note.text.partition("\n")[0]


def parse_note(note: bytes | None) -> Note | None:
    """None where there is no note, or one that cannot be parsed."""
    try:
        return None if note is None else notes.parse(note)
    except VerificationError:
        return None
