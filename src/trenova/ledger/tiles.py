"""The tree in tiles of 256 hashes, with the paths and bytes of C2SP tlog-tiles (c2sp.org/tlog-tiles)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trenova.errors import VerificationError
from trenova.ledger.hashing import HASH_BYTES
from trenova.ledger.prove import Node, ReadNode
from trenova.ledger.tree import TILE_HEIGHT, Run, root_of

WIDTH = 1 << TILE_HEIGHT  # hashes in a full tile, entries in a full bundle
ENTRIES = -1  # in place of a level: an entry bundle instead of a tile of hashes
MAX_LEVEL = 63
MAX_INDEX = (1 << 63) // WIDTH - 1
MAX_ENTRY_BYTES = (1 << 16) - 1
_DIGITS = 1000  # a path element holds three digits
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The address of a tile: row `level` (0 holds leaf hashes), 0-based `index` in the row, and number of hashes."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below the ledger's prefix, e.g. `tile/0/x001/x234/067.p/8`."""
        rest, last = divmod(self.index, _DIGITS)
        elements = [f"{last:03}"]
        while rest:
            rest, last = divmod(rest, _DIGITS)
            elements.insert(0, f"x{last:03}")
        row = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{row}/{'/'.join(elements)}{'' if self.width == WIDTH else f'.p/{self.width}'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What to add to one stored tile: `hashes` (32 bytes each, joined) go after the `offset` hashes it already has."""

    level: int
    index: int
    offset: int
    hashes: bytes


def parse(path: str) -> Tile:
    """The tile at a path. Raises VerificationError for any other spelling of the path, too."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise VerificationError(f"tile path: expected tile/<level>/<index>[.p/<width>], got {path!r:.80}")
    level = ENTRIES if match["level"] == "entries" else int(match["level"])
    index = int(match["index"].replace("x", "").replace("/", ""))
    tile = Tile(level=level, index=index, width=int(match["width"] or WIDTH))
    if level > MAX_LEVEL or index > MAX_INDEX or tile.path != path:
        raise VerificationError(
            f"tile path: expected a level up to {MAX_LEVEL} and a width up to 255, got {path!r:.80}"
        )
    return tile


def width(level: int, index: int, size: int) -> int:
    """The number of hashes in the tile of a tree of `size` leaves: 0 (none yet) to 256."""
    row = size >> TILE_HEIGHT * max(level, 0)
    return max(0, min(WIDTH, row - index * WIDTH))


def filled_tiles(old: int, new: int) -> tuple[Tile, ...]:
    """The tiles that become full when the tree grows from `old` to `new` leaves, row by row."""
    return tuple(
        Tile(level=level, index=index)
        for level in range(_row_count(new))
        for index in range(old >> TILE_HEIGHT * (level + 1), new >> TILE_HEIGHT * (level + 1))
    )


def partial_tiles(size: int) -> tuple[Tile, ...]:
    """The partial tiles at the right edge of a tree of `size` leaves: at most one a row."""
    edges = ((level, size >> TILE_HEIGHT * level) for level in range(_row_count(size)))
    return tuple(Tile(level=level, index=row // WIDTH, width=row % WIDTH) for level, row in edges if row % WIDTH)


def additions(runs: Iterable[Run]) -> tuple[Addition, ...]:
    """What an append (`tree.grow`) adds to each stored tile."""
    result: list[Addition] = []
    for run in runs:
        at, end = run.start, run.start + len(run.hashes)
        while at < end:
            index, offset = divmod(at, WIDTH)
            until = min(end, (index + 1) * WIDTH)
            joined = b"".join(run.hashes[at - run.start : until - run.start])
            result.append(Addition(level=run.level, index=index, offset=offset, hashes=joined))
            at = until
    return tuple(result)


def cover(nodes: Iterable[Node], size: int) -> tuple[Tile, ...]:
    """The tiles that hold these nodes in a tree of `size` leaves, each once: what to read before proving."""
    addresses = dict.fromkeys(_location(node)[:2] for node in nodes)
    return tuple(Tile(level=level, index=index, width=width(level, index, size)) for level, index in addresses)


def node_reader(stored: Mapping[tuple[int, int], bytes]) -> ReadNode:
    """A function that returns the hash of a node, read from `stored` tiles by (level, index).

    A tile may have more hashes than the tree had at the size to prove: the hashes on the left never change.
    The function raises VerificationError for a tile that is absent or too short.
    """

    def read(node: Node) -> bytes:
        level, index, first, count = _location(node)
        tile = stored.get((level, index), b"")
        if len(tile) < (first + count) * HASH_BYTES:
            raise VerificationError(
                f"tile {index} of level {level}: expected {first + count} hashes or more, got {len(tile) // HASH_BYTES}"
            )
        at = range(first * HASH_BYTES, (first + count) * HASH_BYTES, HASH_BYTES)
        return root_of([tile[start : start + HASH_BYTES] for start in at])

    return read


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each leaf's data after its length in two bytes, big-endian."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError(f"an entry has {len(entry)} bytes; a bundle takes at most {MAX_ENTRY_BYTES}")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def decode_bundle(data: bytes, count: int) -> tuple[bytes, ...]:
    """The `count` entries of a bundle; VerificationError if there are more or fewer, or one is cut off."""
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data) or at + 2 > len(data):
            raise VerificationError(
                f"entry bundle: expected {end} bytes for {len(entries) + 1} entries, got {len(data)}"
            )
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != count:
        raise VerificationError(f"entry bundle: expected {count} entries, got {len(entries)}")
    return tuple(entries)


def _row_count(size: int) -> int:
    return -(-size.bit_length() // TILE_HEIGHT)


def _location(node: Node) -> tuple[int, int, int, int]:
    """Level and index of the tile that holds a node; position and number of the hashes in it that form the node."""
    level, height = divmod(node.level, TILE_HEIGHT)
    index, first = divmod(node.place << height, WIDTH)
    return level, index, first, 1 << height
