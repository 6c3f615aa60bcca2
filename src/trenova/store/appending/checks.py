"""What the database returns of each write of an append, compared with what was sent to it. No I/O.

A trigger or a rule that was added may drop, swap or change rows on their way in. The tree would be signed over
what was sent, and the ledger would hold something else. So each difference is LedgerDamaged: the transaction is rolled
back, nothing of it is stored, and the entries wait in their workflow until the database is fixed.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from trenova.errors import LedgerDamaged
from trenova.ledger.hashing import HASH_BYTES, SALT_BYTES
from trenova.ledger.tree import Frontier
from trenova.store.appending.rows import IncomingBatch, RejectedRow
from trenova.store.appending.trees import GrownTree
from trenova.store.write_checks import COMPARE_RULES

# Of each row that `append.sql` returns: commitment, salt and id.
KEY_BYTES = HASH_BYTES + SALT_BYTES + 16
RESTORE_TILES = "restore the table tiles from a backup: entries wait, and none of them is lost"
RESTORE_LEDGER = "restore the ledger from a backup: entries wait, and none of them is lost"


class InsertedRows(NamedTuple):
    """The new rows of one tenant, as `append.sql` returns them."""

    tenant: str
    first_index: int
    last_index: int
    keys: bytes
    """KEY_BYTES for each row, joined in the order of the ledger."""


class LedgerPart(NamedTuple):
    """What a batch adds to one ledger."""

    tenant: str
    first_index: int
    """The size of the ledger before the batch."""
    stored: int
    received: int
    """Entries of this tenant in the batch; those that are not stored now are duplicates."""


def check_copied(batch: IncomingBatch, copied: int) -> None:
    if copied != len(batch.rows):
        raise LedgerDamaged(f"copying a batch: expected {len(batch.rows)} rows, got {copied}", hint=COMPARE_RULES)


def check_locked(tenants: Collection[str], heads: Mapping[str, Frontier]) -> None:
    for tenant in tenants:
        if tenant not in heads:
            raise LedgerDamaged(
                f"the head of the ledger {tenant}: expected a row in the table heads, got none", hint=COMPARE_RULES
            )


def new_commitments(
    batch: IncomingBatch, heads: Mapping[str, Frontier], inserted: Iterable[InsertedRows]
) -> dict[str, bytes]:
    """For each tenant with new rows their commitments, joined in the order of the ledger.

    Raises LedgerDamaged unless the inserted rows are rows of the batch, unchanged and in its order, with the indexes
    that follow the head. `first_unstored.sql` finds the rows of the batch that are missing from them.
    """
    commitments: dict[str, bytes] = {}
    for rows in inserted:
        count = len(rows.keys) // KEY_BYTES
        start = heads[rows.tenant].size if rows.tenant in heads else None
        if start is None or (rows.first_index, rows.last_index) != (start, start + count - 1):
            raise LedgerDamaged(
                f"an append to the ledger {rows.tenant}: expected the indexes from {start} on, one for each of "
                f"{count} rows, got {rows.first_index} to {rows.last_index}",
                hint=COMPARE_RULES,
            )
        commitments[rows.tenant] = commitments_in_order(batch, rows)
    return commitments


def commitments_in_order(batch: IncomingBatch, inserted: InsertedRows) -> bytes:
    """The commitments of those rows of the batch that were inserted, which must be in the order of the batch."""
    is_only_tenant = len(batch.tenants) == 1
    rows = batch.rows if is_only_tenant else [row for row in batch.rows if row.tenant == inserted.tenant]
    keys = [row.commitment + row.salt + row.id.bytes for row in rows]
    if b"".join(keys) == inserted.keys:
        return b"".join([row.commitment for row in rows])
    commitments, at = [], 0
    for row, key in zip(rows, keys, strict=True):
        if inserted.keys[at : at + KEY_BYTES] == key:
            commitments.append(row.commitment)
            at += KEY_BYTES
    if at != len(inserted.keys):
        raise LedgerDamaged(
            f"an append to the ledger {inserted.tenant}: expected row {inserted.first_index + at // KEY_BYTES} to be "
            "one of the batch, unchanged and in its order, got another",
            hint=COMPARE_RULES,
        )
    return b"".join(commitments)


def check_unstored(missing: tuple[str, uuid.UUID] | None) -> None:
    """Takes the row of `first_unstored.sql`: tenant and id."""
    if missing is not None:
        tenant, id_ = missing
        raise LedgerDamaged(
            f"an append to the ledger {tenant}: expected the entry {id_} to be stored or a duplicate, "
            "got neither: something drops rows",
            hint=COMPARE_RULES,
        )


def check_tiles(grown: Sequence[GrownTree], stored: Iterable[Sequence[Any]]) -> None:
    """Raise LedgerDamaged unless each tile ends, after the append, with the bytes that the tree has there.

    A tile that is missing or has another length was changed by hand, or by a broken disk. The frontier alone could
    go on signing right roots over it; but then no proof could be made of what is signed.
    """
    hashes_by_tile = {(tenant, level, index): hashes for tenant, level, index, hashes in stored}
    for tree in grown:
        for addition in tree.additions:
            hashes = hashes_by_tile.get((tree.tenant, addition.level, addition.index), b"")
            place = f"tile {addition.index} of level {addition.level} of the ledger {tree.tenant}"
            expected = addition.offset * HASH_BYTES + len(addition.hashes)
            if len(hashes) != expected:
                raise LedgerDamaged(
                    f"{place}: expected {expected} bytes after this append, got {len(hashes)}", hint=RESTORE_TILES
                )
            if not hashes.endswith(addition.hashes):
                raise LedgerDamaged(
                    f"{place}: expected the hashes of this append at its end, got others", hint=COMPARE_RULES
                )


def check_moved(grown: Sequence[GrownTree], moved: Iterable[Sequence[Any]]) -> None:
    """Raise LedgerDamaged unless each head was moved to where its tree ends."""
    heads = {tenant: (size, frontier) for tenant, size, frontier in moved}
    for tree in grown:
        if heads.get(tree.tenant) != (tree.frontier.size, b"".join(tree.frontier.hashes)):
            size, _ = heads.get(tree.tenant, ("none", b""))
            raise LedgerDamaged(
                f"the head of the ledger {tree.tenant}: expected size {tree.frontier.size} with its tree after this "
                f"append, got {'another tree' if size == tree.frontier.size else size}",
                hint=COMPARE_RULES,
            )


def check_signed(grown: Sequence[GrownTree], signed: Iterable[Sequence[Any]]) -> None:
    """Raise LedgerDamaged unless the checkpoint of each tree was written as it was signed."""
    checkpoints = {tenant: (size, note) for tenant, size, note in signed}
    for tree in grown:
        if tree.tenant not in checkpoints:
            raise LedgerDamaged(
                f"the head of the ledger {tree.tenant} was set back: expected no checkpoint beyond its size "
                f"{tree.before}, got one",
                hint=RESTORE_LEDGER,
            )
        if checkpoints[tree.tenant] != (tree.frontier.size, tree.note):
            raise LedgerDamaged(
                f"checkpoint {tree.frontier.size} of the ledger {tree.tenant}: expected it as it was signed, "
                "got another",
                hint=COMPARE_RULES,
            )


def check_noted(parts: Iterable[LedgerPart], noted: Iterable[Sequence[Any]]) -> None:
    """Raise LedgerDamaged unless the note of the batch says what it added to each ledger.

    Where it added nothing there may be no note: a batch that comes again leaves no second one.
    """
    notes = {tenant: (first_index, stored, duplicate) for tenant, first_index, stored, duplicate in noted}
    for part in parts:
        note = notes.get(part.tenant)
        if note != (part.first_index, part.stored, part.received - part.stored) and (part.stored or note):
            raise LedgerDamaged(
                f"the note of a batch for the ledger {part.tenant}: expected {part.stored} stored from "
                f"{part.first_index} on, got {'none' if note is None else f'{note[1]} from {note[0]} on'}",
                hint=COMPARE_RULES,
            )


def check_parked(batch_id: str, rejected: Sequence[RejectedRow], bodies: Mapping[int, bytes | None]) -> None:
    """Raise LedgerDamaged unless each rejected entry is parked with its bytes, or stored since (None), by ordinal."""
    for row in rejected:
        if row.ordinal not in bodies or bodies[row.ordinal] not in {None, row.body}:
            raise LedgerDamaged(
                f"parking entry {row.ordinal} of the batch {batch_id}: expected its bytes in the table dead_letters, "
                f"got {'others' if row.ordinal in bodies else 'none'}",
                hint=COMPARE_RULES,
            )
