"""Whether the log tells of every body that is not there any more. No I/O."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from trenova.domain.verification import DamagedPlace
from trenova.store.verification.rows import joined


class Metadata(Struct, frozen=True):
    indexes: list[tuple[int, int]]


class Record(Struct, frozen=True):
    """What is read of an entry `retention.remove`."""

    metadata: Metadata


decoder = msgspec.json.Decoder(Record)


@dataclass(frozen=True, slots=True)
class Told:
    """The removed indexes that a log tells of, as first and last of runs, in their order."""

    spans: Sequence[tuple[int, int]] = ()

    @classmethod
    def by(cls, bodies: Iterable[bytes]) -> "Told":
        """What these entries tell. One that cannot be read tells nothing; that it was changed is found with its row."""
        spans: list[tuple[int, int]] = []
        for body in bodies:
            try:
                spans += decoder.decode(body).metadata.indexes
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return cls(sorted(spans))

    def places(self, tenant: str, removed: Iterable[int]) -> list[DamagedPlace]:
        """The removed entries that nothing tells of: somebody took their content without the log."""
        return joined(
            [
                DamagedPlace(
                    tenant=tenant,
                    place=f"entry {index}",
                    expected="a body, or an entry retention.remove that tells of it",
                    got="neither",
                )
                for index in removed
                if index not in self
            ]
        )

    def __contains__(self, index: int) -> bool:
        # No index is removed twice, so the spans of a sound log do not overlap.
        at = bisect_right(self.spans, index, key=lambda span: span[0]) - 1
        return at >= 0 and index <= self.spans[at][1]
