"""A reproducible sample ledger of any size for tests, and evidence files of it."""

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from trenova.ledger import checkpoint, hashing, prove, signing, tiles, tree
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.evidence import write
from trenova.ledger.evidence.lines import Earlier, Entry, Header
from trenova.ledger.evidence.write import Section
from trenova.ledger.prove import ReadNode

PREFIX = "audit.example.com/v1/log"
ORIGIN = checkpoint.origin(PREFIX, "acme")
SIGNER = signing.Signer(name=ORIGIN, seed=bytes(range(32)))
STRANGER = signing.Signer(name=ORIGIN, seed=bytes(range(1, 33)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleLedger:
    """Entries, their commitments, and the hashes that the store would save."""

    entries: tuple[tuple[bytes, bytes], ...]
    commitments: tuple[bytes, ...]
    read: ReadNode
    tenant: str = "acme"

    @property
    def origin(self) -> str:
        return checkpoint.origin(PREFIX, self.tenant)

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(origin=self.origin, size=size, root=prove.root(size, self.read))

    def signed_checkpoint(self, size: int, signer: signing.Signer = SIGNER) -> str:
        return signing.sign(self.head(size), [signer.with_name(self.origin)]).decode()

    def entry(self, index: int, removed: Sequence[int] = ()) -> Entry:
        if index in removed:
            return Entry(index=index, removed=self.commitments[index])
        salt, body = self.entries[index]
        return Entry(index=index, salt=salt, body=body)

    def evidence(  # noqa: PLR0913 - everything that a test may vary
        self,
        *,
        first: int = 0,
        count: int | None = None,
        size: int | None = None,
        removed: Sequence[int] = (),
        earlier: Sequence[int] = (),
        signer: signing.Signer = SIGNER,
    ) -> bytes:
        size = len(self.entries) if size is None else size
        count = size - first if count is None else count
        header = Header(
            tenant=self.tenant,
            origin=self.origin,
            keys=(signer.with_name(self.origin).key.text,),
            first=first,
            count=count,
            checkpoint=self.signed_checkpoint(size, signer),
            earlier=tuple(
                Earlier(
                    checkpoint=self.signed_checkpoint(old, signer), consistency=prove.consistency(old, size, self.read)
                )
                for old in earlier
            ),
        )
        out = io.BytesIO()
        for piece in write.pieces(header, (self._section(header, tile, size, removed) for tile in write.tiles(header))):
            out.write(piece)
        return out.getvalue()

    def _section(self, header: Header, tile: int, size: int, removed: Sequence[int]) -> Section:
        start, end = tile * tiles.WIDTH, min((tile + 1) * tiles.WIDTH, size)
        indexes = range(max(start, header.first), min(end, header.first + header.count))
        return Section(
            tile=tile,
            commitments=self.commitments[start:end],
            path=prove.hashes(prove.tile_spans(tile, size), self.read),
            entries=[self.entry(index, removed) for index in indexes],
        )


@lru_cache
def sample_ledger(size: int) -> SampleLedger:
    """A ledger of `size` entries of 60 to about 200 bytes; a few bodies cannot be written to a plain line."""
    chance = random.Random(size)
    odd = {3: b"", 4: b"\xff\x00", 5: b'{"a":\n1}', 6: '{"name":"Zoë","sign":"\\u001f"}'.encode()}
    entries = tuple(
        (
            chance.randbytes(hashing.SALT_BYTES),
            odd.get(
                index, b'{"action":"shipment.update","index":%d,"pad":"%s"}' % (index, b"x" * chance.randrange(150))
            ),
        )
        for index in range(size)
    )
    return sample_ledger_of(entries)


def sample_ledger_of(entries: tuple[tuple[bytes, bytes], ...]) -> SampleLedger:
    """The ledger of these salts and bodies."""
    commitments = tuple(hashing.commitment(salt, body) for salt, body in entries)
    stored: dict[tuple[int, int], bytes] = {}
    for one in tiles.additions(tree.grow(tree.Frontier(), [hashing.leaf(one) for one in commitments]).runs):
        stored[one.level, one.index] = one.hashes
    return SampleLedger(entries=entries, commitments=commitments, read=tiles.node_reader(stored))
