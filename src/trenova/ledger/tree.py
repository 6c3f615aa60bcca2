"""Growing a tree from its right edge: only the frontier is read, whatever the size (RFC 6962 §2.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from trenova.ledger.hashing import EMPTY_ROOT, NODE_PREFIX, node

TILE_HEIGHT = 8  # levels in one C2SP tile; only hashes at levels 0, 8, 16, … are stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """What appending needs of a tree: its size, and the hashes of its complete subtrees, largest first.

    One 32-byte hash for each 1 bit of `size`; the highest bit is the leftmost subtree.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(
                f"a tree of size {self.size} does not have {len(self.hashes)} complete subtrees at its edge"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive new hashes to store in row `level` of the tiles; the first is at 0-based `start`.

    Row 0 holds leaf hashes; a hash of row L is the root of 256^L leaves.
    """

    level: int
    start: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """A tree after an append, and what the append added to the stored rows, lowest row first."""

    frontier: Frontier
    runs: tuple[Run, ...]


def grow(frontier: Frontier, leaf_hashes: Iterable[bytes]) -> Growth:
    """The tree with `leaf_hashes` (32 bytes each, in order) appended. Takes time proportional to their number alone."""
    fresh = list(leaf_hashes)
    size = frontier.size + len(fresh)
    edge = list(frontier.hashes)
    new_edge: list[bytes] = []
    runs: list[Run] = []
    for level in range(size.bit_length()):
        if fresh and level % TILE_HEIGHT == 0:
            runs.append(Run(level=level // TILE_HEIGHT, start=frontier.size >> level, hashes=tuple(fresh)))
        row = [edge.pop(), *fresh] if frontier.size >> level & 1 else fresh
        if len(row) % 2:
            new_edge.append(row[-1])
        fresh = _parents(row)
    return Growth(frontier=Frontier(size=size, hashes=tuple(reversed(new_edge))), runs=tuple(runs))


def extend(frontier: Frontier, leaf_hashes: Iterable[bytes]) -> Frontier:
    """The frontier after appending `leaf_hashes`, for callers that store no hashes."""
    return grow(frontier, leaf_hashes).frontier


def root(frontier: Frontier) -> bytes:
    """The 32-byte root hash of the tree; SHA-256 of nothing for an empty one."""
    return fold(frontier.hashes) if frontier.hashes else EMPTY_ROOT


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over adjacent subtrees, largest first; at least one."""
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node(left, result)
    return result


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """The root over a list of leaf hashes. An odd last hash moves up unchanged (RFC 6962 §2.1)."""
    row = list(leaf_hashes)
    while len(row) > 1:
        row = _parents(row) + row[len(row) & ~1 :]
    return row[0] if row else EMPTY_ROOT


def _parents(row: Sequence[bytes]) -> list[bytes]:
    # The hot loop. Not `node(left, right)`: the call would cost as much as the hash.
    hashes = iter(row)
    return [sha256(NODE_PREFIX + left + right).digest() for left, right in zip(hashes, hashes, strict=False)]
