"""Making an evidence file section by section, so that the caller can stream rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from trenova.ledger import checkpoint, note
from trenova.ledger.evidence.lines import (
    Commitments,
    Entry,
    Header,
    Trailer,
    encode_commitments,
    encode_entry,
    encode_header,
    encode_trailer,
)
from trenova.ledger.tiles import WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One tile of the ledger: all its commitments, its path (`prove.tile_spans`), and the entries in the range."""

    tile: int
    commitments: tuple[bytes, ...]
    path: tuple[bytes, ...]
    entries: Sequence[Entry]


def tiles(header: Header) -> range:
    """The tiles of the file's sections, in order."""
    if not header.count:
        return range(0)
    return range(header.first // WIDTH, (header.first + header.count - 1) // WIDTH + 1)


def start(header: Header) -> bytes:
    """The first line. Raises ValueError if the checkpoint does not cover the entries."""
    size = checkpoint.parse(note.parse(header.checkpoint.encode()).text).size
    if header.first + header.count > size:
        raise ValueError(f"entries {header.first} to {header.first + header.count} exceed the tree of size {size}")
    return encode_header(header)


def section(part: Section) -> bytes:
    """The lines of one tile."""
    line = Commitments(tile=part.tile, commitments=part.commitments, path=part.path)
    return encode_commitments(line) + b"".join(encode_entry(entry) for entry in part.entries)


def finish(header: Header) -> bytes:
    """The last line. Write it only after all entries of the header's range."""
    return encode_trailer(Trailer(entries=header.count, checkpoint=header.checkpoint))


def pieces(header: Header, sections: Iterable[Section]) -> Iterator[bytes]:
    """A whole file in pieces. Raises ValueError if the sections do not match the header's range."""
    yield start(header)
    indexes = iter(range(header.first, header.first + header.count))
    for part in sections:
        if any(entry.index != next(indexes, None) for entry in part.entries):
            raise ValueError(f"the entries of tile {part.tile} are not the next ones of the range")
        yield section(part)
    if next(indexes, None) is not None:
        raise ValueError("the sections end before the range does")
    yield finish(header)
