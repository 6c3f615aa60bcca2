"""The tree cut into tiles of 256 hashes, with paths and bytes as C2SP tlog-tiles has them (c2sp.org/tlog-tiles)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from trenova.errors import VerificationError
from trenova.ledger.hashing import HASH_BYTES
from trenova.ledger.prove import Node, ReadNode
from trenova.ledger.tree import TILE_HEIGHT, Run, root_of

WIDTH = 1 << TILE_HEIGHT  # hashes in a full tile, entries in a full bundle
ENTRIES = -1  # in place of a level: not a tile of hashes but the bundle of the entries themselves
MAX_LEVEL = 63
MAX_INDEX = (1 << 63) // WIDTH - 1
MAX_ENTRY_BYTES = (1 << 16) - 1
_DIGITS = 1000  # a path element holds three digits
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Where a tile is: row `level` (0 holds leaf hashes), 0-based `index` in the row, and how many hashes it has."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The path below the log's prefix, e.g. `tile/0/x001/x234/067.p/8`."""
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
    """The tile that a path names. Any other spelling than ours of the same tile is refused, too."""
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
    """How many hashes the tile has in a tree of `size` leaves: 0 (none yet) to 256."""
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
    found: list[Addition] = []
    for run in runs:
        at, end = run.start, run.start + len(run.hashes)
        while at < end:
            index, offset = divmod(at, WIDTH)
            until = min(end, (index + 1) * WIDTH)
            joined = b"".join(run.hashes[at - run.start : until - run.start])
            found.append(Addition(level=run.level, index=index, offset=offset, hashes=joined))
            at = until
    return tuple(found)


def cover(nodes: Iterable[Node], size: int) -> tuple[Tile, ...]:
    """The tiles, each once, from which a tree of `size` leaves gives these nodes: what to read before proving."""
    places = dict.fromkeys(_location(node)[:2] for node in nodes)
    return tuple(Tile(level=level, index=index, width=width(level, index, size)) for level, index in places)


def node_reader(stored: Mapping[tuple[int, int], bytes]) -> ReadNode:
    """A function that gives the hash of a node from tiles by (level, index).

    A tile may have more hashes than the tree had at the size that is proved: those on the left never change.
    A tile that is absent or too short raises VerificationError.
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
    """An entry bundle: each log entry after its length as two bytes, big-endian."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError(f"a log entry has {len(entry)} bytes, a bundle takes {MAX_ENTRY_BYTES}")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def decode_bundle(data: bytes, count: int) -> tuple[bytes, ...]:
    """The `count` log entries of a bundle; VerificationError if there are more, fewer, or a piece of one."""
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
    """Level and index of the tile that holds a node, and the first and the number of its hashes that make it up."""
    level, height = divmod(node.level, TILE_HEIGHT)
    index, first = divmod(node.place << height, WIDTH)
    return level, index, first, 1 << height
