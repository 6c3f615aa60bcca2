"""The rows of one tile: each must follow from its body, and its commitment must be where the tree has it."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from trenova.domain.verification import DamagedPlace
from trenova.errors import NotSealed
from trenova.ledger.hashing import HASH_BYTES, SALT_BYTES, leaf, split_hashes
from trenova.store.appending.rows import row_of_body

UNKNOWN_LEAF = bytes(HASH_BYTES)  # where both tile and row are missing: no hash above it will be right

Problem = tuple[str, str]
"""Expected, and got."""


class StoredRow(NamedTuple):
    """A row of `verified_rows.sql`: the columns of `appending.rows.Row`, with the index in place of the ordinal."""

    place: int
    """The index of the entry."""
    tenant: str
    id: uuid.UUID
    occurred_at: datetime | None
    received_at: datetime
    actor_type: str | None
    actor_id: str | None
    action: str | None
    target_type: str | None
    target_id: str | None
    outcome: str | None
    salt: bytes | None
    commitment: bytes
    body: bytes | None


# The columns that repeat what the body says.
REPEATED = tuple(name for name in StoredRow._fields if name not in {"place", "salt", "commitment", "body"})
# Those of them that remain when the content is removed.
KEPT = frozenset({"tenant", "id", "received_at"})


@dataclass(slots=True, kw_only=True)
class CheckedRows:
    leaves: list[bytes] = field(default_factory=list)
    """Those of the tree: from the tile, or from the rows where the tile has none."""
    places: list[DamagedPlace] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    """Indexes of the rows without a body."""

    def add(self, tenant: str, index: int, expected: str, got: str) -> None:
        self.places.append(DamagedPlace(tenant=tenant, place=f"entry {index}", expected=expected, got=got))


def check(tenant: str, span: range, rows: Sequence[StoredRow], hashes: bytes) -> CheckedRows:
    """Check the rows of the entries `span`, which lie in one tile and begin with its first, against the tile's hashes.

    The tree is taken from the tiles: then a changed row is one damaged place, instead of every checkpoint after it.
    """
    tile = split_hashes(hashes)
    checked = CheckedRows()
    at = 0
    for offset, index in enumerate(span):
        row = None
        if at < len(rows) and rows[at].place == index:
            row, at = rows[at], at + 1
        in_tile = tile[offset] if offset < len(tile) else None
        if row is None:
            checked.add(tenant, index, "a row", "none")
            checked.leaves.append(in_tile or UNKNOWN_LEAF)
            continue
        if row.body is None:
            checked.removed.append(index)
        checked.leaves.append(in_tile or leaf(row.commitment))
        for expected, got in row_problems(row, in_tile, tile, span.start):
            checked.add(tenant, index, expected, got)
        while at < len(rows) and rows[at].place == index:
            checked.add(tenant, index, "one row", "another with the same index")
            at += 1
    checked.places = merge_neighbours(checked.places)
    return checked


def merge_neighbours(places: Iterable[DamagedPlace]) -> list[DamagedPlace]:
    """The places of entries, with neighbouring entries that have the same problem as one place."""
    runs: list[tuple[int, int, DamagedPlace]] = []
    for place in places:
        index = int(place.place.removeprefix("entry "))
        if runs:
            first, last, before = runs[-1]
            if last == index - 1 and (before.expected, before.got) == (place.expected, place.got):
                runs[-1] = (first, index, place)
                continue
        runs.append((index, index, place))
    return [msgspec.structs.replace(place, place=entries(first, last)) for first, last, place in runs]


def entries(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first}–{last}"


def row_problems(row: StoredRow, in_tile: bytes | None, tile: list[bytes], first: int) -> list[Problem]:
    problems = body_problems(row, tile, first)
    own = leaf(row.commitment)
    if in_tile is not None and own != in_tile:
        problems.append((f"the leaf {in_tile.hex()} of the tile", other_entry(own, tile, first) or own.hex()))
    return problems


def body_problems(row: StoredRow, tile: list[bytes], first: int) -> list[Problem]:
    if row.body is None and row.salt is None:
        # Removed: so must be the columns that repeat the body. They are content, and nothing proves them any more.
        return [(f"{name} removed as the body is", "something") for name in columns_left(row)]
    if row.body is None or row.salt is None or len(row.salt) != SALT_BYTES:
        return [(f"body and a salt of {SALT_BYTES} bytes, or neither", "something else")]
    try:
        expected = row_of_body(row.place, row.body, row.salt)
    except NotSealed:
        return [(f"the commitment {row.commitment.hex()}", "a body that is not an entry")]
    if tuple(expected) == tuple(row):
        return []
    if expected.commitment != row.commitment:
        got = other_entry(leaf(expected.commitment), tile, first) or expected.commitment.hex()
        return [(f"the commitment {row.commitment.hex()}", got)]
    # The name of the column, not its value: this goes into logs.
    differing = [name for name in REPEATED if getattr(expected, name) != getattr(row, name)]
    return [(f"{name} as the body has it", "another") for name in differing]


def columns_left(row: StoredRow) -> list[str]:
    """The columns that repeat content and are not empty."""
    return [name for name in REPEATED if name not in KEPT and getattr(row, name) is not None]


def other_entry(own: bytes, tile: list[bytes], first: int) -> str:
    """Which entry of the tile has this leaf; empty if none has."""
    return f"what belongs to entry {first + tile.index(own)}" if own in tile else ""
