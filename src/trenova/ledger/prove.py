"""Making proofs from stored hashes: first which are needed (so that they are read at once), then the proof.

A node is named by (level, place): the root of the complete subtree over leaves place·2^level … (place+1)·2^level − 1.
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
    """Leaves `start` up to but without `end`: one subtree of the tree, complete or at its right edge."""

    start: int
    end: int


ReadNode = Callable[[Node], bytes]


def inclusion_spans(index: int, size: int) -> tuple[Span, ...]:
    """The subtrees beside the way from leaf `index` (0-based) up to the root, leaf→root (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a tree of size {size}")
    return _sibling_spans(Span(index, index + 1), size)


def tile_spans(tile: int, size: int) -> tuple[Span, ...]:
    """The same from the tile of up to 256 leaves at `tile` (0-based, row 0), which may be the partial last one."""
    width = 1 << TILE_HEIGHT
    if not 0 <= tile * width < size:
        raise ValueError(f"no tile {tile} in a tree of size {size}")
    return _sibling_spans(Span(tile * width, min(tile * width + width, size)), size)


def consistency_spans(old: int, new: int) -> tuple[Span, ...]:
    """The subtrees that show that a tree of size `old` is a beginning of one of size `new` (RFC 6962 §2.1.2)."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of size {new} cannot begin with one of size {old}")
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
    """The stored nodes that make up the spans, left to right within each."""
    found: list[Node] = []
    for start, end in spans:
        at = start
        while at < end:
            level = (end - at).bit_length() - 1
            found.append(Node(level, at >> level))
            at += 1 << level
    return tuple(found)


def hashes(spans: tuple[Span, ...], read: ReadNode) -> tuple[bytes, ...]:
    """The 32-byte hash of each span, in the order given: a proof, when the spans come from the functions above."""
    return tuple(fold([read(node) for node in nodes(span)]) for span in spans)


def inclusion(index: int, size: int, read: ReadNode) -> tuple[bytes, ...]:
    """The inclusion proof of leaf `index` in the tree of size `size`, leaf→root."""
    return hashes(inclusion_spans(index, size), read)


def consistency(old: int, new: int, read: ReadNode) -> tuple[bytes, ...]:
    """The consistency proof from the tree of size `old` to that of size `new`; empty for 0 and for equal sizes."""
    return hashes(consistency_spans(old, new), read)


def root(size: int, read: ReadNode) -> bytes:
    """The root of the tree as it was at `size`."""
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
    """The largest power of two below `size`: how many leaves the left half holds."""
    return 1 << (size - 1).bit_length() - 1
