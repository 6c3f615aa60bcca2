"""Trees and proofs published by others: the 8 leaves of the CT tests, and answers of a log with 962 million entries."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from trenova.errors import VerificationError
from trenova.ledger import hashing, prove, tiles, tree, verify
from trenova.ledger.prove import ReadNode

VECTORS = Path(__file__).parent / "vectors"
SMALL: dict[str, Any] = json.loads((VECTORS / "rfc6962.json").read_text())
ARGON: dict[str, Any] = json.loads((VECTORS / "argon2020.json").read_text())
LEAVES = [hashing.leaf(bytes.fromhex(leaf)) for leaf in SMALL["leaves"]]
ROOTS = [bytes.fromhex(root) for root in SMALL["roots"]]


def unhex(path: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(part) for part in path)


def store_leaves(leaves: list[bytes]) -> ReadNode:
    tiles_by_place: dict[tuple[int, int], bytes] = {}
    for one in tiles.additions(tree.grow(tree.Frontier(), leaves).runs):
        tiles_by_place[one.level, one.index] = one.hashes
    return tiles.node_reader(tiles_by_place)


def test_roots_of_every_size() -> None:
    assert tree.root(tree.Frontier()).hex() == SMALL["empty_root"]
    frontier = tree.Frontier()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        frontier = tree.extend(frontier, [leaf])
        assert tree.root(frontier) == root
        assert tree.root_of(LEAVES[: frontier.size]) == root


@pytest.mark.parametrize("case", SMALL["inclusion"], ids=str)
def test_inclusion_proofs(case: dict[str, Any]) -> None:
    index, size, path = case["index"], case["size"], unhex(case["path"])
    assert prove.inclusion(index, size, store_leaves(LEAVES)) == path
    verify.inclusion(leaf_hash=LEAVES[index], index=index, size=size, path=path, root=ROOTS[size - 1])


@pytest.mark.parametrize("case", SMALL["consistency"], ids=str)
def test_consistency_proofs(case: dict[str, Any]) -> None:
    old, new, path = case["old"], case["new"], unhex(case["path"])
    assert prove.consistency(old, new, store_leaves(LEAVES)) == path
    verify.consistency(size=old, root=ROOTS[old - 1], new_size=new, new_root=ROOTS[new - 1], path=path)


def test_the_inclusion_proof_of_a_real_log() -> None:
    path = [b64decode(part) for part in ARGON["audit_path"]]
    leaf_hash, root = hashing.leaf(b64decode(ARGON["leaf_input"])), b64decode(ARGON["root"])
    verify.inclusion(leaf_hash=leaf_hash, index=ARGON["index"], size=ARGON["size"], path=path, root=root)
    with pytest.raises(VerificationError, match="expected a path of 30 hashes, got 29"):
        verify.inclusion(leaf_hash=leaf_hash, index=ARGON["index"], size=ARGON["size"], path=path[1:], root=root)


def test_the_consistency_proof_of_a_real_log() -> None:
    verify.consistency(
        size=ARGON["old_size"],
        root=b64decode(ARGON["old_root"]),
        new_size=ARGON["size"],
        new_root=b64decode(ARGON["root"]),
        path=[b64decode(part) for part in ARGON["consistency"]],
    )
