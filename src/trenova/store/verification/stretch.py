"""A stretch of one ledger, read and checked in its own process, within the snapshot that all stretches share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import psycopg
from psycopg import sql as composing

from trenova.domain.verification import DamagedPlace
from trenova.errors import VerificationError
from trenova.ledger import checkpoint, signing, verify
from trenova.ledger import note as notes
from trenova.ledger.note import VerifierKey
from trenova.ledger.tiles import WIDTH
from trenova.ledger.tree import Frontier, extend, root
from trenova.store.pool import CONNECT_TIMEOUT_S, DEAD_PEER, SESSION
from trenova.store.sql import sql
from trenova.store.verification import rows
from trenova.store.verification.rows import StoredRow

VERIFIED_ROWS, VERIFIED_TILE = sql("verified_rows"), sql("verified_tile")
VERIFIED_CHECKPOINTS, ONE_SNAPSHOT = sql("verified_checkpoints"), sql("one_snapshot")
IMPORT_SNAPSHOT = composing.SQL("SET TRANSACTION SNAPSHOT {}")

# Tiles in a stretch: enough that handing them over costs nothing, few enough that progress is seen.
TILES = 16
# A migration that wants a table to itself waits for the transaction that shares its snapshot with this one, and this
# one would wait behind the migration forever: PostgreSQL does not know that the two belong together. So it gives way.
GIVE_WAY_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a signed checkpoint says: the tree had this 32-byte root at this size. `where` names it to people."""

    size: int
    root: bytes
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The entries from `first` (a multiple of 256) up to, but not including, `end`."""

    url: str
    snapshot: str
    tenant: str
    first: int
    end: int
    keys: tuple[VerifierKey, ...]
    claims: tuple[Claim, ...] = ()
    """Of checkpoints that were kept elsewhere; those in the database are read here."""
    position: int = 0
    """That of retention: entries before it are removed, or kept for a reason."""


@dataclass(slots=True, kw_only=True)
class CheckedTile:
    """One tile of a stretch. To compute the root at a checkpoint's size, the tree on the left is needed as well."""

    leaves: int
    frontier: Frontier
    claims: list[tuple[Claim, bytes]] = field(default_factory=list)
    """Each with the root of the tile's leaves up to the claim's size."""


@dataclass(slots=True, kw_only=True)
class CheckedStretch:
    tiles: list[CheckedTile] = field(default_factory=list)
    places: list[DamagedPlace] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    """Indexes of the entries without a body."""
    kept: list[int] = field(default_factory=list)
    """Indexes of the entries with a body that lie before the position of retention."""
    checkpoints: int = 0
    signed: set[int] = field(default_factory=set)
    """Sizes of the stored checkpoints with a valid signature of one of the keys."""


def check(stretch: Stretch) -> CheckedStretch:
    """Check everything that the stretch alone decides.

    Raises psycopg's errors: while the database is unreachable, and where another session waits for a whole table.
    """
    connection, checked = connect(stretch.url), CheckedStretch()
    with connection.transaction():
        connection.execute(ONE_SNAPSHOT)
        connection.execute(IMPORT_SNAPSHOT.format(stretch.snapshot))
        for first in range(stretch.first, stretch.end, WIDTH):
            span = range(first, min(first + WIDTH, stretch.end))
            parameters = {"tenant": stretch.tenant, "first": span.start, "end": span.stop, "index": first // WIDTH}
            checkpoints = connection.execute(VERIFIED_CHECKPOINTS, parameters, binary=True).fetchall()
            tile = connection.execute(VERIFIED_TILE, parameters, binary=True).fetchone()
            (hashes,) = tile or (b"",)
            stored = [
                StoredRow._make(row) for row in connection.execute(VERIFIED_ROWS, parameters, binary=True).fetchall()
            ]
            checked_rows = rows.check(stretch.tenant, span, stored, hashes)
            checked.kept += [row.place for row in stored if row.place < stretch.position and row.body is not None]
            checked.places += checked_rows.places
            checked.removed += checked_rows.removed
            claims = [claim for claim in stretch.claims if span.start < claim.size <= span.stop]
            claims += read_claims(stretch, checkpoints, checked)
            checked.tiles.append(with_claims(checked_rows.leaves, span.start, claims))
    return checked


@cache
def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """The connection of this process. It closes with the process."""
    return psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        options=f"{SESSION} -c lock_timeout={GIVE_WAY_MS}",
        **DEAD_PEER,
    )


def read_claims(stretch: Stretch, checkpoints: Sequence[tuple[Any, ...]], checked: CheckedStretch) -> list[Claim]:
    """What the stored checkpoints claim. Unreadable and badly signed ones are damaged places."""
    claims = []
    for size, message in checkpoints:
        where = f"checkpoint {size}"
        checked.checkpoints += 1
        try:
            note = notes.parse(message)
            head = checkpoint.parse(note.text)
            if head.size != size:
                raise VerificationError(f"one of size {head.size}")  # noqa: TRY301 - one way to fail
            if head.origin.rpartition("/")[2] != stretch.tenant:
                raise VerificationError(f"one of the ledger {head.origin:.200}")  # noqa: TRY301 - one way to fail
            if is_signed(note, head.origin, stretch.keys):
                checked.signed.add(size)
        except VerificationError as error:
            place = DamagedPlace(
                tenant=stretch.tenant, place=where, expected="a signed note of this size", got=error.message
            )
            checked.places.append(place)
            continue
        claims.append(Claim(size=size, root=head.root, where=where))
    return claims


def is_signed(note: notes.Note, origin: str, keys: Sequence[VerifierKey]) -> bool:
    """Whether a key of this origin has signed. Raises VerificationError for a line of such a key that is not valid."""
    lines = {(line.name, line.key_id) for line in note.signatures if line.name == origin}
    if lines.isdisjoint((key.name, key.id) for key in keys):
        return False
    return bool(verify.log_signatures(note, origin=origin, keys=keys, check=signing.check))


def with_claims(leaves: list[bytes], first: int, claims: list[Claim]) -> CheckedTile:
    frontier, done, roots = Frontier(), 0, []
    for claim in sorted(claims, key=lambda each: each.size):
        upto = claim.size - first
        frontier, done = extend(frontier, leaves[done:upto]), upto
        roots.append((claim, root(frontier)))
    return CheckedTile(leaves=len(leaves), frontier=extend(frontier, leaves[done:]), claims=roots)
