"""Appending the entry that reports a change, in the transaction of the change: neither exists without the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.errors import InsufficientPrivilege

from trenova.domain.entry import Entry
from trenova.domain.intake import encoder
from trenova.errors import DATABASE_SETTING, Forbidden
from trenova.ledger.hashing import SALT_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import records
from trenova.store.appending.append import append
from trenova.store.appending.rows import read_batch

Cursor = psycopg.AsyncCursor[Any]


async def append_entry(cursor: Cursor, signer: LedgerSigner | None, entry: Entry) -> None:
    """Append one entry as `Entries.append` does, in the open transaction.

    Raises LedgerDamaged as that does, and then nothing of the transaction remains.
    """
    # The entry is made here, so it may use the names that are reserved for the system.
    batch = read_batch([encoder.encode(entry)], os.urandom(SALT_BYTES), lambda _: entry)
    await append(cursor, signer, f"retention-{entry.id}", batch)


async def append_decision(cursor: Cursor, signer: LedgerSigner | None, entry: Entry) -> None:
    """The same, for an entry that reports a policy or a hold: the database records it, and never lets it be removed."""
    await append_entry(cursor, signer, entry)
    await records.add(cursor, entry)


@contextmanager
def owners_only() -> Iterator[None]:
    """Report in our words that the application's role may not change policies and holds."""
    try:
        yield
    except InsufficientPrivilege:
        raise Forbidden(
            "the database role of the application may not change retention policies or legal holds",
            hint=f"set {DATABASE_SETTING} to the role that runs `trenova migrate`",
        ) from None
