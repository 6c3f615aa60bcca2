"""The content of an evidence file of a stored ledger, read tile by tile: one tile is in memory, whatever the range."""

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
    """A range of one ledger under its newest checkpoint.

    It needs no snapshot: what it reads never changes, except that retention may remove content.
    """

    ledgers: Ledgers
    header: Header
    size: int

    async def sections(self) -> AsyncIterator[Section]:
        """The file's sections in order. Raises LedgerDamaged where a row or a tile is missing."""
        stored: dict[tuple[int, int], bytes] = {}
        requested = range(self.header.first, self.header.first + self.header.count)
        for tile in write.tiles(self.header):
            span = range(tile * WIDTH, min((tile + 1) * WIDTH, self.size))
            leaves = [leaf async for leaf in self.ledgers.leaves(self.header.tenant, span.start, len(span))]
            if [leaf.index for leaf in leaves] != list(span):
                raise damage_error(self.header.tenant, f"entries {span.start}–{span.stop - 1}: some are missing")
            spans = prove.tile_spans(tile, self.size)
            stored = await read_tiles(self.ledgers, self.header.tenant, spans, self.size, stored)
            yield Section(
                tile=tile,
                commitments=tuple(leaf.commitment for leaf in leaves),
                path=proof(self.header.tenant, spans, stored),
                entries=[entry(leaf) for leaf in leaves if leaf.index in requested],
            )


async def evidence(
    ledgers: Ledgers,
    tenant: str,
    *,
    keys: Sequence[VerifierKey],
    bounds: tuple[Bound | None, Bound | None] = (None, None),
    known: Sequence[bytes] = (),
) -> Evidence:
    """The evidence of the entries between the bounds, without the upper one, with proofs from the checkpoints `known`.

    Times are those of receipt. Entries are numbered as they are stored, which may differ from the order of receipt by
    moments; the range goes from the first to the last that was received between the bounds.
    Raises NotFound for a ledger that does not exist, InvalidRequest for a range or a checkpoint that it does not have.
    """
    signed = await ledgers.newest(tenant)
    if signed is None:
        raise NotFound(
            f"there is no signed ledger of the tenant {tenant}",
            hint="start a worker: it signs every ledger when it starts",
        )
    text = (await Cosignatures(ledgers.pool).cosigned_note(tenant, signed.size) or signed.note).decode()
    head = checkpoint.parse(notes.parse(signed.note).text)
    if head.origin not in {key.name for key in keys}:
        raise InvalidRequest(
            f"none of the given keys is named {head.origin}, as this ledger is",
            hint="use the workers' ledger.origin and signing key",
        )
    signers = signing_keys(text, keys)
    if not signers:
        raise InvalidRequest(
            f"the checkpoint of the ledger {head.origin} is not signed by any of the given keys",
            hint="start a worker with the new signing key, which signs it; until then give the former key as well",
        )
    since, until = bounds
    first = await index_of(ledgers, tenant, since, default=0)
    end = await index_of(ledgers, tenant, until, default=head.size, last=True)
    end = min(end, head.size) if isinstance(until, datetime) else end
    if not 0 <= first <= end <= head.size:
        raise InvalidRequest(f"entries {first} up to {end} are not in a ledger of {head.size} entries")
    header = Header(
        tenant=tenant,
        origin=head.origin,
        keys=tuple(key.text for key in signers),
        first=first,
        count=end - first,
        checkpoint=text,
        earlier=tuple([await earlier(ledgers, tenant, head, message) for message in known]),
    )
    return Evidence(ledgers=ledgers, header=header, size=head.size)


def signing_keys(note: str, keys: Sequence[VerifierKey]) -> list[VerifierKey]:
    """The keys in the order of their signature lines. The reader of the file verifies the lines."""
    by_line = {(key.name, key.id): key for key in keys}
    lines = [(line.name, line.key_id) for line in notes.parse(note.encode()).signatures]
    return [by_line[line] for line in dict.fromkeys(lines) if line in by_line]


async def index_of(ledgers: Ledgers, tenant: str, bound: Bound | None, *, default: int, last: bool = False) -> int:
    """The index of the first entry at or after the bound; as the `last` bound, of the first entry beyond it."""
    if not isinstance(bound, datetime):
        return default if bound is None else bound
    async with ledgers.pool.cursor() as cursor:
        await cursor.execute(LAST_RECEIVED if last else FIRST_RECEIVED, {"tenant": tenant, "time": bound})
        row = await cursor.fetchone()
    if row is None:
        raise InvalidRequest(f"no entry of {tenant} was received {'before' if last else 'at or after'} {bound}")
    (index,) = row
    return int(index) + last


async def earlier(ledgers: Ledgers, tenant: str, head: Checkpoint, message: bytes) -> Earlier:
    """A kept checkpoint, with the proof from it to the head, which the reader of the file verifies."""
    kept = checkpoint.parse(notes.parse(message).text)
    if kept.origin != head.origin:
        raise InvalidRequest(f"the checkpoint is of the ledger {kept.origin:.200}, not of {head.origin}")
    if kept.size > head.size:
        raise LedgerDamaged(
            f"the ledger {head.origin} has {head.size} entries, but had {kept.size} by the given checkpoint",
            hint="find out what is missing: trenova verify --live",
        )
    spans = prove.consistency_spans(kept.size, head.size)
    stored = await read_tiles(ledgers, tenant, spans, head.size, {})
    return Earlier(checkpoint=message.decode(), consistency=proof(tenant, spans, stored))


async def read_tiles(
    ledgers: Ledgers, tenant: str, spans: Sequence[Span], size: int, before: Mapping[tuple[int, int], bytes]
) -> dict[tuple[int, int], bytes]:
    """The tiles that these spans need; only those not in `before` are read: the next path shares most of them."""
    needed = [(tile.level, tile.index) for tile in tiles.cover(prove.nodes(*spans), size)]
    missing = [place for place in needed if place not in before]
    new = await ledgers.tiles(tenant, missing) if missing else {}
    return {place: before[place] for place in needed if place in before} | new


def proof(tenant: str, spans: tuple[Span, ...], stored: Mapping[tuple[int, int], bytes]) -> tuple[bytes, ...]:
    try:
        return prove.hashes(spans, tiles.node_reader(stored))
    except VerificationError as error:
        raise damage_error(tenant, error.message) from None


def entry(leaf: Leaf) -> Entry:
    if leaf.salt is None or leaf.body is None:
        return Entry(index=leaf.index, removed=leaf.commitment)
    return Entry(index=leaf.index, salt=leaf.salt, body=leaf.body)


def damage_error(tenant: str, detail: str) -> LedgerDamaged:
    return LedgerDamaged(f"the ledger of {tenant}: {detail}", hint=f"trenova verify --live --tenant {tenant}")
