"""Making proofs from stored hashes: first which hashes are needed (to read them all at once), then the proof.

Node (level, place) is the root of the complete subtree over leaves place·2^level … (place+1)·2^level − 1.
"""

from collections.abc import Callable
from typing import NamedTuple

from trenova.ledger.hashing import EMPTY_ROOT
from trenova.ledger.tree import TILE_HEIGHT, fold


class Node(NamedTuple):
    """A complete subtree: `level` 0 is a leaf, `place` counts from 0 within the level."""

    level: int
    place: int


class Span(NamedTuple):
    """Leaves `start` to `end` − 1: one subtree of the tree, complete or at its right edge."""

    start: int
    end: int


ReadNode = Callable[[Node], bytes]


def inclusion_spans(index: int, size: int) -> tuple[Span, ...]:
    """The sibling subtrees on the path from leaf `index` (0-based) to the root, leaf→root (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of size {size} has no entry {index}")
    return _sibling_spans(Span(index, index + 1), size)


def tile_spans(tile: int, size: int) -> tuple[Span, ...]:
    """The same for the tile of up to 256 leaves at `tile` (0-based, row 0), which may be the last, partial one."""
    width = 1 << TILE_HEIGHT
    if not 0 <= tile * width < size:
        raise ValueError(f"a tree of size {size} has no tile {tile}")
    return _sibling_spans(Span(tile * width, min(tile * width + width, size)), size)


def consistency_spans(old: int, new: int) -> tuple[Span, ...]:
    """The subtrees that show that a tree of size `old` is a prefix of one of size `new` (RFC 6962 §2.1.2)."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of size {old} cannot be a prefix of one of size {new}")
    if old in {0, new}:
        return ()
    spans: list[Span] = []
    start, end = 0, new
    while old != end:
        middle = start + _left_size(end - start)
        if old <= middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    if start:
        spans.append(Span(start, end))
    return tuple(reversed(spans))


def nodes(*spans: Span) -> tuple[Node, ...]:
    """The stored nodes that the spans consist of, left to right within each."""
    result: list[Node] = []
    for start, end in spans:
        at = start
        while at < end:
            level = (end - at).bit_length() - 1
            result.append(Node(level, at >> level))
            at += 1 << level
    return tuple(result)


def hashes(spans: tuple[Span, ...], read: ReadNode) -> tuple[bytes, ...]:
    """The 32-byte hash of each span, in the same order: a proof, if the spans come from the functions above."""
    return tuple(fold([read(node) for node in nodes(span)]) for span in spans)


def inclusion(index: int, size: int, read: ReadNode) -> tuple[bytes, ...]:
    """The inclusion proof of leaf `index` in the tree of size `size`, leaf→root."""
    return hashes(inclusion_spans(index, size), read)


def consistency(old: int, new: int, read: ReadNode) -> tuple[bytes, ...]:
    """The consistency proof from the tree of size `old` to that of size `new`; empty for 0 and for equal sizes."""
    return hashes(consistency_spans(old, new), read)


def root(size: int, read: ReadNode) -> bytes:
    """The root of the tree when it had `size` leaves."""
    return fold([read(node) for node in nodes(Span(0, size))]) if size else EMPTY_ROOT


def _sibling_spans(target: Span, size: int) -> tuple[Span, ...]:
    spans: list[Span] = []
    start, end = 0, size
    while (start, end) != target:
        middle = start + _left_size(end - start)
        if target.start < middle:
            spans.append(Span(middle, end))
            end = middle
        else:
            spans.append(Span(start, middle))
            start = middle
    return tuple(reversed(spans))


def _left_size(size: int) -> int:
    """The number of leaves in the left subtree: the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
