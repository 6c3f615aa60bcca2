"""What an evidence file of a stored log is made of, read tile by tile: one tile is in memory, whatever the range."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trenova.errors import InvalidRequest, LedgerDamaged, NotFound, VerificationError
from trenova.ledger import checkpoint, prove, tiles
from trenova.ledger import note as notes
from trenova.ledger.checkpoint import Checkpoint
from trenova.ledger.evidence import write
from trenova.ledger.evidence.lines import Earlier, Entry, Header
from trenova.ledger.evidence.write import Section
from trenova.ledger.note import VerifierKey
from trenova.ledger.prove import Span
from trenova.ledger.tiles import WIDTH
from trenova.store.cosignatures import Cosignatures
from trenova.store.ledgers import Leaf, Ledgers
from trenova.store.sql import sql

FIRST_RECEIVED, LAST_RECEIVED = sql("first_received"), sql("last_received")

Bound = int | datetime
"""An index, or a time of receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A range of one log under its newest checkpoint.

    No snapshot is held meanwhile: what it reads never changes, but that content may be removed, as retention says.
    """

    logs: Ledgers
    header: Header
    size: int

    async def sections(self) -> AsyncIterator[Section]:
        """The file's sections in their order. Raises LedgerDamaged where a row or a tile is not there."""
        stored: dict[tuple[int, int], bytes] = {}
        wanted = range(self.header.first, self.header.first + self.header.count)
        for tile in write.tiles(self.header):
            span = range(tile * WIDTH, min((tile + 1) * WIDTH, self.size))
            leaves = [leaf async for leaf in self.logs.leaves(self.header.tenant, span.start, len(span))]
            if [leaf.index for leaf in leaves] != list(span):
                raise damaged(self.header.tenant, f"entries {span.start}–{span.stop - 1}: not all of them are there")
            spans = prove.tile_spans(tile, self.size)
            stored = await read_tiles(self.logs, self.header.tenant, spans, self.size, stored)
            yield Section(
                tile=tile,
                commitments=tuple(leaf.commitment for leaf in leaves),
                path=proof(self.header.tenant, spans, stored),
                entries=[entry(leaf) for leaf in leaves if leaf.index in wanted],
            )


async def evidence(
    logs: Ledgers,
    tenant: str,
    *,
    keys: Sequence[VerifierKey],
    bounds: tuple[Bound | None, Bound | None] = (None, None),
    known: Sequence[bytes] = (),
) -> Evidence:
    """The evidence of the entries between the bounds, without the upper one, tied to the checkpoints `known`.

    Times are those of receipt. Entries are numbered as they are stored, which may differ from the order of receipt by
    moments; the range goes from the first to the last that was received in time.
    Raises NotFound for a log that is not there, InvalidRequest for a range or a checkpoint that it has not.
    """
    signed = await logs.newest(tenant)
    if signed is None:
        raise NotFound(f"there is no signed log of the tenant {tenant}", hint="a worker signs it when it starts")
    text = (await Cosignatures(logs.pool).cosigned(tenant, signed.size) or signed.note).decode()
    head = checkpoint.parse(notes.parse(signed.note).text)
    if head.origin not in {key.name for key in keys}:
        raise InvalidRequest(
            f"the log {head.origin} is not one of the keys given",
            hint="set ledger.origin and the signing key as the workers have them",
        )
    signers = those_that_signed(text, keys)
    if not signers:
        raise InvalidRequest(
            f"the checkpoint of the log {head.origin} is not signed by any of the keys given",
            hint="a worker that starts with the new signing key signs it; until then give the former key as well",
        )
    since, until = bounds
    first = await index_of(logs, tenant, since, default=0)
    end = await index_of(logs, tenant, until, default=head.size, last=True)
    end = min(end, head.size) if isinstance(until, datetime) else end
    if not 0 <= first <= end <= head.size:
        raise InvalidRequest(f"entries {first} up to {end} are not in a log of {head.size} entries")
    header = Header(
        tenant=tenant,
        origin=head.origin,
        keys=tuple(key.text for key in signers),
        first=first,
        count=end - first,
        checkpoint=text,
        earlier=tuple([await earlier(logs, tenant, head, message) for message in known]),
    )
    return Evidence(logs=logs, header=header, size=head.size)


def those_that_signed(note: str, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
    """The keys in the order of their signature lines. Whether a line is good, the reader of the file will tell."""
    by_line = {(key.name, key.id): key for key in keys}
    lines = [(line.name, line.key_id) for line in notes.parse(note.encode()).signatures]
    return [by_line[line] for line in dict.fromkeys(lines) if line in by_line]


async def index_of(logs: Ledgers, tenant: str, bound: Bound | None, *, default: int, last: bool = False) -> int:
    """The index that a bound means: of the first entry that it lets in, or, as the last bound, of the first beyond."""
    if not isinstance(bound, datetime):
        return default if bound is None else bound
    async with logs.pool.cursor() as cursor:
        await cursor.execute(LAST_RECEIVED if last else FIRST_RECEIVED, {"tenant": tenant, "time": bound})
        row = await cursor.fetchone()
    if row is None:
        raise InvalidRequest(f"no entry of {tenant} was received {'before' if last else 'at or after'} {bound}")
    return int(row[0]) + last


async def earlier(logs: Ledgers, tenant: str, head: Checkpoint, message: bytes) -> Earlier:
    """A checkpoint that somebody kept, with the proof from it to the head. Whether that holds, the file will tell."""
    kept = checkpoint.parse(notes.parse(message).text)
    if kept.origin != head.origin:
        raise InvalidRequest(f"a checkpoint of the log {kept.origin:.200} says nothing of {head.origin}")
    if kept.size > head.size:
        raise LedgerDamaged(
            f"the log {head.origin} has {head.size} entries, but had {kept.size} by a checkpoint that was kept",
            hint="look for what is gone: trenova verify --live",
        )
    spans = prove.consistency_spans(kept.size, head.size)
    stored = await read_tiles(logs, tenant, spans, head.size, {})
    return Earlier(checkpoint=message.decode(), consistency=proof(tenant, spans, stored))


async def read_tiles(
    logs: Ledgers, tenant: str, spans: Sequence[Span], size: int, before: Mapping[tuple[int, int], bytes]
) -> dict[tuple[int, int], bytes]:
    """The tiles that these spans need, those of `before` not read again: the next tile's path shares most of them."""
    needed = [(tile.level, tile.index) for tile in tiles.cover(prove.nodes(*spans), size)]
    absent = [place for place in needed if place not in before]
    fresh = await logs.tiles(tenant, absent) if absent else {}
    return {place: before[place] for place in needed if place in before} | fresh


def proof(tenant: str, spans: tuple[Span, ...], stored: Mapping[tuple[int, int], bytes]) -> tuple[bytes, ...]:
    try:
        return prove.hashes(spans, tiles.node_reader(stored))
    except VerificationError as error:
        raise damaged(tenant, error.message) from None


def entry(leaf: Leaf) -> Entry:
    if leaf.salt is None or leaf.body is None:
        return Entry(index=leaf.index, removed=leaf.commitment)
    return Entry(index=leaf.index, salt=leaf.salt, body=leaf.body)


def damaged(tenant: str, detail: str) -> LedgerDamaged:
    return LedgerDamaged(f"the log of {tenant}: {detail}", hint=f"trenova verify --live --tenant {tenant}")
