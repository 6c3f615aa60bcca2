"""A stretch of one log, read and checked in a process of its own, within the snapshot that all of them share."""

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

VERIFIED_ROWS, VERIFIED_TILE, VERIFIED_CHECKPOINTS = (
    sql("verified_rows"),
    sql("verified_tile"),
    sql("verified_checkpoints"),
)

# A process's piece of work: long enough that handing it over costs nothing, short enough that progress is seen.
TILES = 16
# Whoever wants a table for itself, as a migration does, waits for the transaction that shares its snapshot with this
# one, and this one would wait behind it for ever: PostgreSQL does not know that they belong together. So it gives way.
GIVE_WAY_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a signed checkpoint says: the tree had this 32-byte root at this size. `where` names it to people."""

    size: int
    root: bytes
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Entries `first` (a multiple of 256) up to but without `end`."""

    url: str
    snapshot: str
    tenant: str
    first: int
    end: int
    keys: tuple[VerifierKey, ...]
    claims: tuple[Claim, ...] = ()
    """Of checkpoints that somebody kept elsewhere; those in the database are read here."""
    position: int = 0
    """That of retention: what lies before it has gone, or is kept for a reason."""


@dataclass(slots=True, kw_only=True)
class CheckedTile:
    """One tile of a stretch. The roots of what checkpoints speak of need the tree on the left, which others check."""

    leaves: int
    frontier: Frontier
    claims: list[tuple[Claim, bytes]] = field(default_factory=list)
    """With the root of the tile's leaves up to that size."""


@dataclass(slots=True, kw_only=True)
class Found:
    tiles: list[CheckedTile] = field(default_factory=list)
    places: list[DamagedPlace] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    """Indexes of the entries without a body."""
    kept: list[int] = field(default_factory=list)
    """Indexes of those with one that lie before the position of retention."""
    checkpoints: int = 0
    signed: set[int] = field(default_factory=set)
    """Sizes of the kept checkpoints with a good signature of one of the keys."""


def check(stretch: Stretch) -> Found:
    """Everything that can be said of the stretch alone.

    Raises psycopg's errors: while the database is away, and where somebody waits for a table of ours for themselves.
    """
    connection, found = connected(stretch.url), Found()
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute(composing.SQL("SET TRANSACTION SNAPSHOT {}").format(stretch.snapshot))
        for first in range(stretch.first, stretch.end, WIDTH):
            span = range(first, min(first + WIDTH, stretch.end))
            asked = {"tenant": stretch.tenant, "first": span.start, "end": span.stop, "index": first // WIDTH}
            kept = connection.execute(VERIFIED_CHECKPOINTS, asked, binary=True).fetchall()
            tile = connection.execute(VERIFIED_TILE, asked, binary=True).fetchone()
            there = connection.execute(VERIFIED_ROWS, asked, binary=True).fetchall()
            came = rows.check(stretch.tenant, span, there, tile[0] if tile else b"")
            found.kept += [row[0] for row in there if row[0] < stretch.position and row[-1] is not None]
            found.places += came.places
            found.removed += came.removed
            claims = [claim for claim in stretch.claims if span.start < claim.size <= span.stop]
            claims += read(stretch, kept, found)
            found.tiles.append(with_claims(came.leaves, span.start, claims))
    return found


@cache
def connected(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """The connection of this process. It ends with the process."""
    return psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        options=f"{SESSION} -c lock_timeout={GIVE_WAY_MS}",
        **DEAD_PEER,
    )


def read(stretch: Stretch, kept: Sequence[tuple[Any, ...]], found: Found) -> list[Claim]:
    """What the kept checkpoints claim. Those that cannot be read or are badly signed are damaged places."""
    claims = []
    for size, message in kept:
        where = f"checkpoint {size}"
        found.checkpoints += 1
        try:
            note = notes.parse(message)
            head = checkpoint.parse(note.text)
            if head.size != size:
                raise VerificationError(f"one of size {head.size}")  # noqa: TRY301 - one way to fail
            if head.origin.rpartition("/")[2] != stretch.tenant:
                raise VerificationError(f"one of the log {head.origin:.200}")  # noqa: TRY301 - one way to fail
            if signs(note, head.origin, stretch.keys):
                found.signed.add(size)
        except VerificationError as error:
            place = DamagedPlace(
                tenant=stretch.tenant, place=where, expected="a signed note of this size", got=error.message
            )
            found.places.append(place)
            continue
        claims.append(Claim(size=size, root=head.root, where=where))
    return claims


def signs(note: notes.Note, origin: str, keys: Sequence[VerifierKey]) -> bool:
    """Whether a key of this origin has signed; False if there is no line of any, VerificationError for a bad one."""
    lines = {(line.name, line.key_id) for line in note.signatures if line.name == origin}
    if lines.isdisjoint((key.name, key.id) for key in keys):
        return False
    return bool(verify.log_signatures(note, origin=origin, keys=keys, check=signing.check))


def with_claims(leaves: list[bytes], first: int, claims: list[Claim]) -> CheckedTile:
    frontier, done, paired = Frontier(), 0, []
    for claim in sorted(claims, key=lambda each: each.size):
        upto = claim.size - first
        frontier, done = extend(frontier, leaves[done:upto]), upto
        paired.append((claim, root(frontier)))
    return CheckedTile(leaves=len(leaves), frontier=extend(frontier, leaves[done:]), claims=paired)
