"""Appending the entry that tells of a change within the transaction of the change: neither is there alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.errors import InsufficientPrivilege

from trenova.domain.entry import Entry
from trenova.domain.intake import encoder
from trenova.errors import Forbidden, InvalidConfiguration
from trenova.ledger.hashing import SALT_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import records
from trenova.store.append import append as append_batch
from trenova.store.rows import incoming

Cursor = psycopg.AsyncCursor[Any]


async def append(cursor: Cursor, signer: LedgerSigner | None, entry: Entry) -> None:
    """Append one entry as `Entries.append` does, in the transaction that is open.

    Raises LedgerDamaged as that does, and nothing of the transaction remains.
    """
    if signer is None:
        raise InvalidConfiguration(["nothing is appended without a signing key, and this program has none"])
    # Made here, so it may use the names that are the system's own.
    batch = incoming([encoder.encode(entry)], os.urandom(SALT_BYTES), lambda _: entry)
    await append_batch(cursor, signer, f"retention-{entry.id}", batch)


async def append_decision(cursor: Cursor, signer: LedgerSigner | None, entry: Entry) -> None:
    """The same, for an entry that tells what is kept: the database knows it from now on, and lets nobody remove it."""
    await append(cursor, signer, entry)
    await records.add(cursor, entry)


@contextmanager
def owners_only() -> Iterator[None]:
    """Say in our words that the application's role may not decide what is kept."""
    try:
        yield
    except InsufficientPrivilege:
        raise Forbidden(
            "the database role of the application may not change what is kept",
            hint="set database.url to the role that runs `trenova migrate`",
        ) from None
