"""One tile's rows: that each is what its body makes of it, and that each stands where the tree says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from trenova.domain.verification import DamagedPlace
from trenova.errors import NotSealed
from trenova.ledger.hashing import HASH_BYTES, SALT_BYTES, leaf, split_hashes
from trenova.store.appending import rows as stored

# Columns between `index` and `salt`, in the order of the query and of `store.rows.row`.
REPEATED = (
    "tenant",
    "id",
    "occurred_at",
    "received_at",
    "actor_type",
    "actor_id",
    "action",
    "target_type",
    "target_id",
    "outcome",
)
# Those of them that stay when the content is removed.
KEPT = frozenset({"tenant", "id", "received_at"})
UNKNOWN_LEAF = bytes(HASH_BYTES)  # where neither tile nor row is there: nothing above it will be right

Row = tuple[Any, ...]


@dataclass(slots=True, kw_only=True)
class Rows:
    """What came of them. `leaves` are those of the tree: from the tile, or from the rows where the tile has none."""

    leaves: list[bytes] = field(default_factory=list)
    places: list[DamagedPlace] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    """Indexes of the rows without a body."""


def check(tenant: str, span: range, found: Sequence[Row], hashes: bytes) -> Rows:
    """Check the rows of the entries `span`, which lie in one tile and begin with its first, against the tile's hashes.

    The tree is taken from the tiles: then a changed row is one damaged place, and not every checkpoint after it.
    """
    tile = split_hashes(hashes)
    came = Rows()
    at = 0
    for offset, index in enumerate(span):
        row = None
        if at < len(found) and found[at][0] == index:
            row, at = found[at], at + 1
        in_tile = tile[offset] if offset < len(tile) else None
        if row is None:
            _add(came, tenant, index, "a row", "none")
            came.leaves.append(in_tile or UNKNOWN_LEAF)
            continue
        if row[-1] is None:
            came.removed.append(index)
        came.leaves.append(in_tile or leaf(row[-2]))
        for expected, got in _problems(row, in_tile, tile, span.start):
            _add(came, tenant, index, expected, got)
        while at < len(found) and found[at][0] == index:
            _add(came, tenant, index, "one row", "another with the same index")
            at += 1
    came.places = joined(came.places)
    return came


def joined(places: list[DamagedPlace]) -> list[DamagedPlace]:
    """The places, neighbouring entries that lack or have the same as one."""
    found: list[tuple[int, int, DamagedPlace]] = []
    for place in places:
        first = int(place.place.removeprefix("entry "))
        before = found[-1] if found else None
        if before and before[1] == first - 1 and (before[2].expected, before[2].got) == (place.expected, place.got):
            found[-1] = (before[0], first, place)
        else:
            found.append((first, first, place))
    return [msgspec.structs.replace(place, place=entries(first, last)) for first, last, place in found]


def entries(first: int, last: int) -> str:
    return f"entry {first}" if first == last else f"entries {first}–{last}"


def _problems(row: Row, in_tile: bytes | None, tile: list[bytes], first: int) -> list[tuple[str, str]]:
    """What is wrong with a row, as (expected, got)."""
    found = _body_problems(row, tile, first)
    own = leaf(row[-2])
    if in_tile is not None and own != in_tile:
        found.append((f"the leaf {in_tile.hex()} of the tile", _belonging(own, tile, first) or f"{own.hex()}"))
    return found


def _body_problems(row: Row, tile: list[bytes], first: int) -> list[tuple[str, str]]:
    salt, kept, body = row[-3:]
    if body is None and salt is None:
        # Removed: so must be what the other columns repeated of it. That is content, and nothing proves it any more.
        return [(f"{name} removed as the body is", "something") for name in _left_over(row)]
    if body is None or salt is None or len(salt) != SALT_BYTES:
        return [(f"body and a salt of {SALT_BYTES} bytes, or neither", "something else")]
    try:
        made = stored.row_of_body(row[0], body, salt)
    except NotSealed:
        return [(f"the commitment {kept.hex()}", "a body that is no entry")]
    if made == row:
        return []
    if made[-2] != kept:
        return [(f"the commitment {kept.hex()}", _belonging(leaf(made[-2]), tile, first) or made[-2].hex())]
    # Which column, not what it says: this goes into logs.
    return [
        (f"{name} as the body has it", "another")
        for name, ours, theirs in zip(REPEATED, made[1:], row[1:], strict=False)
        if ours != theirs
    ]


def _left_over(row: Row) -> list[str]:
    """The columns that repeat content and are not empty."""
    return [name for name, value in zip(REPEATED, row[1:], strict=False) if name not in KEPT and value is not None]


def _belonging(own: bytes, tile: list[bytes], first: int) -> str:
    return f"what belongs to entry {first + tile.index(own)}" if own in tile else ""


def _add(came: Rows, tenant: str, index: int, expected: str, got: str) -> None:
    came.places.append(DamagedPlace(tenant=tenant, place=f"entry {index}", expected=expected, got=got))
