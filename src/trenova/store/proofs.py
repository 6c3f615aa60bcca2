"""Inclusion proofs of any number of entries of one ledger: what they share is read and hashed once. No I/O."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from trenova.errors import VerificationError
from trenova.ledger import prove, tiles, tree, verify
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.hashing import HASH_BYTES, split_hashes
from trenova.ledger.prove import Node, ReadNode
from trenova.ledger.tiles import WIDTH

Tiles = Mapping[tuple[int, int], bytes]
"""Joined 32-byte hashes by level and index."""


def needed_tiles(indexes: Iterable[int], size: int) -> list[tuple[int, int]]:
    """Level and index of the tiles, each once, that prove these leaves in a tree of `size` leaves."""
    own = dict.fromkeys(index // WIDTH for index in indexes if index < size)
    beside = prove.nodes(*(span for tile in own for span in prove.tile_spans(tile, size)))
    above = [(tile.level, tile.index) for tile in tiles.cover(beside, size)]
    return list(dict.fromkeys([*((0, tile) for tile in own), *above]))


def inclusions(leaves: Mapping[int, bytes], head: Checkpoint, stored: Tiles) -> dict[int, tuple[bytes, ...]]:
    """The path, leaf→root, of each of `leaves` (32-byte leaf hashes by index) in the tree of `head`.

    `stored` has the tiles that `needed_tiles` names. Raises VerificationError where they do not lead from a leaf to the
    root, so that every returned path holds.
    """
    places: defaultdict[int, list[int]] = defaultdict(list)
    for index in leaves:
        if index >= head.size:
            raise VerificationError(f"entry {index}: expected a checkpoint that covers it, got one of {head.size}")
        places[index // WIDTH].append(index)
    read = cache(tiles.node_reader(stored))
    return {
        index: path
        for tile, indexes in places.items()
        for index, path in tile_paths(tile, {index: leaves[index] for index in indexes}, head, stored, read)
    }


def tile_paths(
    tile: int, leaves: Mapping[int, bytes], head: Checkpoint, stored: Tiles, read: ReadNode
) -> Iterator[tuple[int, tuple[bytes, ...]]]:
    """The paths of the leaves in one tile: each has its own path to the tile's root, and all share the rest."""
    width = tiles.width(0, tile, head.size)
    hashes = stored.get((0, tile), b"")[: width * HASH_BYTES]
    above = prove.hashes(prove.tile_spans(tile, head.size), read)
    # Checks all hashes of the tile at once. Then each leaf need only be compared with its hash in the tile.
    verify.inclusion(
        leaf_hash=tree.root_of(split_hashes(hashes)),
        index=tile,
        size=-(-head.size // WIDTH),
        path=above,
        root=head.root,
    )
    within = cache(tiles.node_reader({(0, 0): hashes}))  # the leaves of a tile are a tree of their own
    for index, leaf in leaves.items():
        place = index % WIDTH
        if within(Node(0, place)) != leaf:
            raise VerificationError(f"entry {index}: its commitment is not the one in tile {tile} of level 0")
        yield index, (*prove.inclusion(place, width, within), *above)
