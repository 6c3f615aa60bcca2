"""Trees and proofs against a literal implementation of the definition in RFC 6962 §2.1."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trenova.errors import VerificationError
from trenova.ledger import hashing, prove, tiles, tree, verify
from trenova.ledger.prove import ReadNode
from trenova.ledger.tree import Frontier

ALL = [hashing.leaf(number.to_bytes(4, "big")) for number in range(5_000)]
EXHAUSTIVE = 80  # every leaf and every pair of sizes up to here; beyond, hypothesis picks


@cache
def root_of_range(start: int, end: int) -> bytes:
    if start == end:
        return hashing.EMPTY_ROOT
    if end - start == 1:
        return ALL[start]
    half = 1
    while half * 2 < end - start:
        half *= 2
    return hashing.node(root_of_range(start, start + half), root_of_range(start + half, end))


def store_leaves(leaves: Sequence[bytes], steps: Sequence[int] = ()) -> tuple[Frontier, ReadNode]:
    """The tree, and its stored rows, after appending the leaves in steps of these sizes, the rest at once."""
    rows: dict[tuple[int, int], bytes] = {}
    frontier, at = Frontier(), 0
    for step in (*steps, len(leaves)):
        growth = tree.grow(frontier, leaves[at : at + step])
        at = min(at + step, len(leaves))
        frontier = growth.frontier
        for one in tiles.additions(growth.runs):
            before = rows.get((one.level, one.index), b"")
            assert len(before) == one.offset * hashing.HASH_BYTES
            rows[one.level, one.index] = before + one.hashes
    for (level, index), row in rows.items():
        assert len(row) == tiles.width(level, index, len(leaves)) * hashing.HASH_BYTES
    return frontier, tiles.node_reader(rows)


READ = store_leaves(ALL)[1]


@given(size=st.integers(0, len(ALL)), steps=st.lists(st.integers(0, 700), max_size=8))
def test_the_root_does_not_depend_on_the_steps_in_which_the_tree_grew(size: int, steps: list[int]) -> None:
    frontier, read = store_leaves(ALL[:size], steps)
    assert tree.root(frontier) == root_of_range(0, size) == tree.root_of(ALL[:size]) == prove.root(size, read)
    assert frontier == tree.extend(Frontier(), ALL[:size])


def check_inclusion(index: int, size: int) -> None:
    path = prove.inclusion(index, size, READ)
    verify.inclusion(leaf_hash=ALL[index], index=index, size=size, path=path, root=root_of_range(0, size))


def check_consistency(old: int, new: int) -> None:
    path = prove.consistency(old, new, READ)
    verify.consistency(size=old, root=root_of_range(0, old), new_size=new, new_root=root_of_range(0, new), path=path)


def test_every_leaf_and_every_pair_of_small_sizes_is_proved() -> None:
    for size in range(EXHAUSTIVE):
        for index in range(size):
            check_inclusion(index, size)
        for old in range(size + 1):
            check_consistency(old, size)


@pytest.mark.parametrize("size", [255, 256, 257, 300])
def test_every_leaf_and_every_prefix_of_sizes_around_a_tile_is_proved(size: int) -> None:
    for index in range(size):
        check_inclusion(index, size)
        check_consistency(index, size)


@given(st.data())
@settings(max_examples=150)
def test_random_leaves_and_prefixes_of_larger_trees_are_proved(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(ALL)))
    check_inclusion(data.draw(st.integers(0, size - 1)), size)
    check_consistency(data.draw(st.integers(0, size)), size)


@given(st.data())
def test_a_tile_is_proved_like_a_leaf_of_a_tree_of_tiles(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(ALL)))
    count = -(-size // tiles.WIDTH)
    tile = data.draw(st.integers(0, count - 1))
    path = prove.hashes(prove.tile_spans(tile, size), READ)
    root = root_of_range(tile * tiles.WIDTH, min(tile * tiles.WIDTH + tiles.WIDTH, size))
    verify.inclusion(leaf_hash=root, index=tile, size=count, path=path, root=root_of_range(0, size))


@given(st.data())
@settings(max_examples=60)
def test_only_the_exact_inclusion_proof_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 600))
    index = data.draw(st.integers(0, size - 1))
    path, root = list(prove.inclusion(index, size, READ)), root_of_range(0, size)
    cases: list[dict[str, Any]] = [
        {"index": index - 1},
        {"index": index + 1},
        {"index": index ^ 2},
        {"index": -1 - index},
        {"size": size * 4},
        {"size": size // 2},
        {"size": 0},
        {"size": -size},
        {"root": root_of_range(0, size - 1)},
        {"root": root[:-1]},
        {"root": b""},
        {"leaf_hash": root},
        {"leaf_hash": ALL[index][:-1]},
        {"leaf_hash": b""},
        {"path": path[:-1]},
        {"path": path[1:]},
        {"path": [*path, root]},
        {"path": [root, *path]},
        {"path": [*path, b""]},
        {"path": []},
        {"path": [*path[:-1], path[-1][:-1]]},
        {"path": [*path[:-1], path[-1] + b"\x00"]},
        *({"path": with_flipped_bit(path, at, data)} for at in range(len(path))),
        {"root": flip(root, data)},
        {"leaf_hash": flip(ALL[index], data)},
    ]
    good: dict[str, Any] = {"leaf_hash": ALL[index], "index": index, "size": size, "path": path, "root": root}
    verify.inclusion(**good)
    for case in cases:
        with pytest.raises(VerificationError):
            verify.inclusion(**(good | case))


@given(st.data())
@settings(max_examples=60)
def test_only_the_exact_consistency_proof_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 600))
    old = data.draw(st.integers(1, size - 1))
    path, root, new_root = list(prove.consistency(old, size, READ)), root_of_range(0, old), root_of_range(0, size)
    cases: list[dict[str, Any]] = [
        {"size": old - 1},
        {"size": old + 1},
        {"size": -old},
        {"size": size},
        {"new_size": size * 4},
        {"new_size": old},
        {"new_size": 0},
        {"root": new_root},
        {"new_root": root},
        {"root": new_root, "new_root": root},
        {"root": b""},
        {"new_root": b""},
        {"path": path[:-1]},
        {"path": path[1:]},
        {"path": [*path, root]},
        {"path": [root, *path]},
        {"path": []},
        {"path": [*path[:-1], path[-1][:-1]]},
        *({"path": with_flipped_bit(path, at, data)} for at in range(len(path))),
        {"root": flip(root, data)},
        {"new_root": flip(new_root, data)},
    ]
    good: dict[str, Any] = {"size": old, "root": root, "new_size": size, "new_root": new_root, "path": path}
    verify.consistency(**good)
    for case in cases:
        with pytest.raises(VerificationError):
            verify.consistency(**(good | case))


def flip(value: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(value) - 1))
    return value[:at] + bytes([value[at] ^ data.draw(st.integers(1, 255))]) + value[at + 1 :]


def with_flipped_bit(path: list[bytes], at: int, data: st.DataObject) -> list[bytes]:
    return [*path[:at], flip(path[at], data), *path[at + 1 :]]


def test_an_empty_tree_is_a_prefix_of_any() -> None:
    verify.consistency(size=0, root=hashing.EMPTY_ROOT, new_size=5, new_root=root_of_range(0, 5), path=[])
    for root, path in ((root_of_range(0, 5), []), (hashing.EMPTY_ROOT, [root_of_range(0, 5)])):
        with pytest.raises(VerificationError):
            verify.consistency(size=0, root=root, new_size=5, new_root=root_of_range(0, 5), path=path)


@given(st.integers(), st.integers(), st.lists(st.binary(max_size=33), max_size=70), st.binary(max_size=33))
def test_any_invalid_proof_raises_a_verification_error(index: int, size: int, path: list[bytes], root: bytes) -> None:
    with pytest.raises(VerificationError):
        verify.inclusion(leaf_hash=root, index=index, size=size, path=path, root=b"")
    with pytest.raises(VerificationError):
        verify.consistency(size=index, root=root, new_size=size, new_root=b"", path=path)


def test_an_entry_is_its_salt_and_its_body() -> None:
    salt, body = bytes(16), b'{"a":1}'
    commitment = hashing.commitment(salt, body)
    verify.entry(salt=salt, body=body, commitment=commitment)
    for other_salt, other_body in ((bytes(15) + b"\x01", body), (salt, b'{"a":2}'), (bytes(15), b"\x00" + body)):
        with pytest.raises(VerificationError, match="entry 7: "):
            verify.entry(salt=other_salt, body=other_body, commitment=commitment, where="entry 7")
    with pytest.raises(ValueError, match="salt has 15 bytes"):
        hashing.commitment(bytes(15), body)


def test_a_frontier_with_the_wrong_number_of_hashes_is_invalid() -> None:
    for size, count in ((1, 0), (2, 2), (-1, 1), (0, 1)):
        with pytest.raises(ValueError, match="complete subtrees"):
            Frontier(size=size, hashes=(bytes(32),) * count)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_no_proof_is_made_for_an_index_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no entry"):
        prove.inclusion(index, size, READ)
    with pytest.raises(ValueError, match="has no tile"):
        prove.tile_spans(index, size)
    with pytest.raises(ValueError, match="cannot be a prefix"):
        prove.consistency(size + 1, size, READ)
