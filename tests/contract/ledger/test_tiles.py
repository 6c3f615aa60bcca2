"""Paths, widths and bytes of tiles as the specification and other implementations have them."""

import random

import pytest

from trenova.errors import VerificationError
from trenova.ledger import hashing, prove, tiles, tree
from trenova.ledger.tiles import ENTRIES, Tile

# c2sp.org/tlog-tiles; tessera api/layout/paths_test.go; boulder trees/tiles; golang/mod sumdb/tlog/tlog_test.go
PATHS = [
    ("tile/entries/000.p/1", Tile(level=ENTRIES, index=0, width=1)),
    ("tile/entries/000.p/255", Tile(level=ENTRIES, index=0, width=255)),
    ("tile/entries/000", Tile(level=ENTRIES, index=0)),
    ("tile/entries/010", Tile(level=ENTRIES, index=10)),
    ("tile/entries/255.p/253", Tile(level=ENTRIES, index=255, width=253)),
    ("tile/entries/x001/x234/067", Tile(level=ENTRIES, index=1234067)),
    ("tile/entries/x001/x234/067.p/6", Tile(level=ENTRIES, index=1234067, width=6)),
    ("tile/entries/x123/x456/789", Tile(level=ENTRIES, index=123456789)),
    ("tile/0/x001/x234/067.p/8", Tile(level=0, index=1234067, width=8)),
    ("tile/2/000.p/1", Tile(level=2, index=0, width=1)),
    ("tile/2/000.p/255", Tile(level=2, index=0, width=255)),
    ("tile/2/x001/x234/067", Tile(level=2, index=1234067)),
    ("tile/5/x123/x456/078.p/2", Tile(level=5, index=123456078, width=2)),
    ("tile/63/000", Tile(level=63, index=0)),
]


@pytest.mark.parametrize(("path", "tile"), PATHS)
def test_paths(path: str, tile: Tile) -> None:
    assert tiles.parse(path) == tile
    assert tile.path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/5/123/456/078",
        "tile/-1/123",
        "tile/+1/123",
        "tile/00/123",
        "tile/64/000",
        "tile/data/000",
        "tile/Entries/000",
        "tile/0/1",
        "tile/0/0001",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/X001/000",
        "tile/0/001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.P/1",
        "tile/0/٠٠٠",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/../000",
    ],
)
def test_any_other_spelling_is_invalid(path: str) -> None:
    with pytest.raises(VerificationError):
        tiles.parse(path)


def test_the_tiles_of_the_example_in_the_specification() -> None:
    size = 70_000
    full = tiles.filled_tiles(0, size)
    assert [tile.path for tile in full if tile.level == 0][-1] == "tile/0/272"
    assert [tile for tile in full if tile.level == 1] == [Tile(level=1, index=0)]
    assert len(full) == 274
    assert tiles.partial_tiles(size) == (
        Tile(level=0, index=273, width=112),
        Tile(level=1, index=1, width=17),
        Tile(level=2, index=0, width=1),
    )
    assert tiles.filled_tiles(0, 256) == (Tile(level=0, index=0),)
    assert tiles.partial_tiles(256) == (Tile(level=1, index=0, width=1),)


# boulder trees/tiles, TestPartialWidth; 0 stands there for a full tile and for one that is not there yet
@pytest.mark.parametrize(
    ("index", "size", "width"),
    [(0, 0, 0), (0, 1, 1), (0, 255, 255), (0, 256, 256), (1, 256, 0), (1, 257, 1), (1, 511, 255), (2, 768, 256)],
)
def test_widths(index: int, size: int, width: int) -> None:
    assert tiles.width(0, index, size) == width


def test_tiles_fill_up_row_by_row() -> None:
    assert tiles.filled_tiles(255, 257) == (Tile(level=0, index=0),)
    assert tiles.filled_tiles(65_535, 65_536) == (Tile(level=0, index=255), Tile(level=1, index=0))
    assert tiles.filled_tiles(100, 200) == ()


def test_a_bundle_is_length_and_bytes_of_each_entry() -> None:
    assert tiles.encode_bundle([b"", b"ab"]) == b"\x00\x00\x00\x02ab"
    entries = (b"", b"x" * 65_535, b"\x00")
    assert tiles.decode_bundle(tiles.encode_bundle(entries), 3) == entries
    with pytest.raises(ValueError, match="65536 bytes"):
        tiles.encode_bundle([b"x" * 65_536])


@pytest.mark.parametrize(
    ("data", "count"), [(b"\x00", 1), (b"\x00\x01", 1), (b"\x00\x00", 2), (b"\x00\x00\x00\x00", 1), (b"", 1)]
)
def test_a_bundle_of_another_length_is_invalid(data: bytes, count: int) -> None:
    with pytest.raises(VerificationError):
        tiles.decode_bundle(data, count)


@pytest.mark.parametrize("size", [10_000_000, 9_999_999, 16_777_215, 10_027_008])
def test_a_proof_in_a_tree_of_ten_million_needs_five_tiles_at_most(size: int) -> None:
    chance = random.Random(size)
    for index in [0, size - 1, *(chance.randrange(size) for _ in range(2_000))]:
        assert len(tiles.cover(prove.nodes(*prove.inclusion_spans(index, size)), size)) <= 5


def test_the_covering_tiles_suffice_for_a_proof() -> None:
    leaves = [hashing.leaf(number.to_bytes(4, "big")) for number in range(70_000)]
    stored: dict[tuple[int, int], bytes] = {}
    for one in tiles.additions(tree.grow(tree.Frontier(), leaves).runs):
        stored[one.level, one.index] = one.hashes
    for size, index in ((70_000, 69_999), (70_000, 12_345), (65_537, 65_536), (300, 17)):
        addresses = tiles.cover(prove.nodes(*prove.inclusion_spans(index, size)), size)
        few = {(tile.level, tile.index): stored[tile.level, tile.index][: tile.width * 32] for tile in addresses}
        assert prove.inclusion(index, size, tiles.node_reader(few)) == prove.inclusion(
            index, size, tiles.node_reader(stored)
        )
    with pytest.raises(VerificationError, match="hashes or more, got 0"):
        prove.inclusion(5, 300, tiles.node_reader({}))
