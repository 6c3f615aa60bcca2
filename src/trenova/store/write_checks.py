"""What the database gives back of a write to the logs and beside them, compared with what it was given. No I/O.

A trigger or a rule that somebody has added may drop, swap or change rows on their way in. The tree would be signed over
what was meant, and the log would hold something else. So each difference is LedgerDamaged: the transaction is rolled
back, nothing of it is stored, and the entries wait in their workflow until the database is mended.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from trenova.errors import LedgerDamaged
from trenova.ledger.hashing import HASH_BYTES, SALT_BYTES
from trenova.ledger.tree import Frontier
from trenova.store.rows import ID, TENANT, Incoming, RejectedRow
from trenova.store.trees import Grown

SALT, COMMITMENT = -3, -2
# Of each row that `append.sql` gives back: commitment, salt and id.
KEY_BYTES = HASH_BYTES + SALT_BYTES + 16
LOOK = "run `trenova doctor`, which compares triggers and rules with this program's: entries wait, and none is lost"
RESTORE_TILES = "restore the table tiles from a backup: entries wait, and none of them is lost"
RESTORE_LOG = "restore the log from a backup: entries wait, and none of them is lost"


def check_copied(batch: Incoming, copied: int) -> None:
    if copied != len(batch.rows):
        raise LedgerDamaged(f"copying a batch: expected {len(batch.rows)} rows, got {copied}", hint=LOOK)


def check_locked(tenants: Collection[str], heads: Mapping[str, Frontier]) -> None:
    for tenant in tenants:
        if tenant not in heads:
            raise LedgerDamaged(f"the head of the log {tenant}: expected a row in the table heads, got none", hint=LOOK)


def fresh_commitments(
    batch: Incoming, heads: Mapping[str, Frontier], inserted: Iterable[Sequence[Any]]
) -> dict[str, bytes]:
    """For each tenant with new rows their joined commitments, in the order of the log.

    Takes the rows of `append.sql`. Raises LedgerDamaged unless they are rows of the batch, unchanged and in its order,
    with the indexes behind the head. Which of the batch are not among them is the question of `unstored.sql`.
    """
    found: dict[str, bytes] = {}
    for tenant, first, last, joined in inserted:
        count = len(joined) // KEY_BYTES
        start = heads[tenant].size if tenant in heads else None
        if start is None or (first, last) != (start, start + count - 1):
            raise LedgerDamaged(
                f"an append to the log {tenant}: expected the indexes from {start} on, one for each of {count} rows, "
                f"got {first} to {last}",
                hint=LOOK,
            )
        found[tenant] = in_order(tenant, batch, joined, start)
    return found


def in_order(tenant: str, batch: Incoming, joined: bytes, first: int) -> bytes:
    """The commitments of those rows of the batch that `joined` names, which must be in their order."""
    alone = len(batch.tenants) == 1
    mine = batch.rows if alone else [row for row in batch.rows if row[TENANT] == tenant]
    keys = [row[COMMITMENT] + row[SALT] + row[ID].bytes for row in mine]
    if b"".join(keys) == joined:
        return b"".join([row[COMMITMENT] for row in mine])
    commitments, at = [], 0
    for row, key in zip(mine, keys, strict=True):
        if joined[at : at + KEY_BYTES] == key:
            commitments.append(row[COMMITMENT])
            at += KEY_BYTES
    if at != len(joined):
        raise LedgerDamaged(
            f"an append to the log {tenant}: expected row {first + at // KEY_BYTES} to be one of the batch, unchanged "
            "and in its order, got another",
            hint=LOOK,
        )
    return b"".join(commitments)


def check_unstored(missing: Sequence[Any] | None) -> None:
    """Takes the row of `unstored.sql`."""
    if missing is not None:
        raise LedgerDamaged(
            f"an append to the log {missing[0]}: expected the entry {missing[1]} to be stored or a duplicate, "
            "got neither: something drops rows",
            hint=LOOK,
        )


def check_tiles(trees: Sequence[Grown], stored: Iterable[Sequence[Any]]) -> None:
    """Raise LedgerDamaged unless each tile has, after the append, the bytes that the tree says at its end.

    A tile that is missing or has another length was changed by somebody, or by a broken disk. The frontier alone could
    go on signing right roots over it; but then no proof could be made of what is signed.
    """
    found = {(tenant, level, index): hashes for tenant, level, index, hashes in stored}
    for each in trees:
        for addition in each.additions:
            hashes = found.get((each.tenant, addition.level, addition.index), b"")
            place = f"tile {addition.index} of level {addition.level} of the log {each.tenant}"
            expected = addition.offset * HASH_BYTES + len(addition.hashes)
            if len(hashes) != expected:
                raise LedgerDamaged(
                    f"{place}: expected {expected} bytes after this append, got {len(hashes)}", hint=RESTORE_TILES
                )
            if not hashes.endswith(addition.hashes):
                raise LedgerDamaged(f"{place}: expected the hashes of this append at its end, got others", hint=LOOK)


def check_moved(trees: Sequence[Grown], moved: Iterable[Sequence[Any]]) -> None:
    """Raise LedgerDamaged unless each head was moved to where its tree ends."""
    found = {tenant: (size, frontier) for tenant, size, frontier in moved}
    for each in trees:
        if found.get(each.tenant) != (each.frontier.size, b"".join(each.frontier.hashes)):
            size, _ = found.get(each.tenant, ("none", b""))
            raise LedgerDamaged(
                f"the head of the log {each.tenant}: expected size {each.frontier.size} with its tree after this "
                f"append, got {'another tree' if size == each.frontier.size else size}",
                hint=LOOK,
            )


def check_signed(trees: Sequence[Grown], signed: Iterable[Sequence[Any]]) -> None:
    """Raise LedgerDamaged unless the checkpoint of each tree could be written, and was written as it was signed."""
    found = {tenant: (size, note) for tenant, size, note in signed}
    for each in trees:
        if each.tenant not in found:
            raise LedgerDamaged(
                f"the head of the log {each.tenant} was set back: expected no checkpoint beyond its size "
                f"{each.before}, got one",
                hint=RESTORE_LOG,
            )
        if found[each.tenant] != (each.frontier.size, each.note):
            raise LedgerDamaged(
                f"checkpoint {each.frontier.size} of the log {each.tenant}: expected it as it was signed, got another",
                hint=LOOK,
            )


def check_noted(note: Mapping[str, Any], noted: Iterable[Sequence[Any]]) -> None:
    """Raise LedgerDamaged unless what the batch added to each log was noted as it is.

    Where it added nothing there may be no note: a batch that comes again leaves no second one.
    """
    found = {tenant: tuple(rest) for tenant, *rest in noted}
    columns = zip(note["tenants"], note["first_indexes"], note["stored"], note["received"], strict=True)
    for tenant, first, stored, received in columns:
        got = found.get(tenant)
        if got != (first, stored, received - stored) and (stored or got):
            raise LedgerDamaged(
                f"the note of a batch for the log {tenant}: expected {stored} stored from {first} on, "
                f"got {'none' if got is None else f'{got[1]} from {got[0]} on'}",
                hint=LOOK,
            )


def check_parked(batch_id: str, refused: Sequence[RejectedRow], kept: Mapping[int, bytes | None]) -> None:
    """Raise LedgerDamaged unless each refused entry of the batch is kept with its bytes, or stored since."""
    for each in refused:
        if each.ordinal not in kept or kept[each.ordinal] not in {None, each.body}:
            raise LedgerDamaged(
                f"parking entry {each.ordinal} of the batch {batch_id}: expected its bytes in the table dead_letters, "
                f"got {'others' if each.ordinal in kept else 'none'}",
                hint=LOOK,
            )


def check_letters(expected: int, changed: int) -> None:
    if changed != expected:
        raise LedgerDamaged(
            f"parked entries that were tried: expected {expected} changed rows, got {changed}", hint=LOOK
        )


def check_emptied(tenant: str, expected: int, emptied: int) -> None:
    if emptied != expected:
        raise LedgerDamaged(
            f"a removal from the log {tenant}: expected {expected} entries without content, got {emptied}", hint=LOOK
        )


def check_recorded(tenant: str, expected: int, marked: int) -> None:
    if marked != expected:
        raise LedgerDamaged(
            f"records of the log {tenant}: expected {expected} marked as appended, got {marked}", hint=LOOK
        )
