"""Parking the rejected entries of a batch, in the transaction that stores the others."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
import uuid_utils.compat

from trenova.store.appending import checks
from trenova.store.appending.rows import RejectedRow
from trenova.store.sql import sql

PARK, PARKED_BODIES = sql("park"), sql("parked_bodies")

# Before the first retry; doubled after each one.
PAUSE = timedelta(minutes=5)


async def park(cursor: psycopg.AsyncCursor[Any], batch_id: str, rejected: Sequence[RejectedRow]) -> None:
    """Park the rejected entries, each once however often the batch comes.

    A crash before the commit leaves nothing of the batch, parked or stored.
    Raises LedgerDamaged where the database keeps anything but the sent bytes.
    """
    letters = {
        "batch_id": batch_id,
        "pause": PAUSE,
        "ids": [uuid_utils.compat.uuid7() for _ in rejected],
        "tenants": [row.tenant for row in rejected],
        "entry_ids": [row.id for row in rejected],
        "ordinals": [row.ordinal for row in rejected],
        "bodies": [row.body for row in rejected],
        "codes": [row.code for row in rejected],
        "reasons": [row.reason for row in rejected],
    }
    await cursor.execute(PARK, letters)
    await cursor.execute(PARKED_BODIES, letters)
    checks.check_parked(batch_id, rejected, dict(await cursor.fetchall()))
