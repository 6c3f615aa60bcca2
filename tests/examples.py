"""Entries for tests: as a client sends them, and as the API seals them."""

import json
import os
import uuid
from datetime import UTC, datetime
from typing import Any

from trenova.config import LimitSettings
from trenova.domain import intake
from trenova.domain.entry import SealedEntry
from trenova.domain.seal_check import decode_sealed
from trenova.ledger.hashing import SALT_BYTES
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.signing import Signer
from trenova.store import Store
from trenova.store.appending.append import append
from trenova.store.appending.rows import read_batch

SIGNER = LedgerSigner(prefix="localhost:8080/v1/log", secrets=(Signer(name="test", seed=bytes(range(32))),))
RECEIVED_AT = datetime(2026, 2, 1, 12, 30, 15, 123456, tzinfo=UTC)


def entry(**fields: Any) -> dict[str, Any]:
    return {
        "actor": {"type": "user", "id": "u-1", "name": "Ada"},
        "action": "shipment.update",
        "target": {"type": "shipment", "id": "s-1"},
        **fields,
    }


def seal(tenant: str, *, received_at: datetime = RECEIVED_AT, **fields: Any) -> SealedEntry:
    """The entry as the API seals it for this tenant; reserved names are allowed."""
    context = intake.RequestContext(received_at=received_at, tenant=tenant, system=True)
    return intake.seal(json.dumps(entry(**fields)).encode(), 0, context, LimitSettings())


def body(tenant: str, **fields: Any) -> bytes:
    return seal(tenant, **fields).body


def bodies(tenant: str, count: int) -> list[bytes]:
    return [body(tenant, id=str(uuid.uuid4())) for _ in range(count)]


def ids(found: list[bytes]) -> list[uuid.UUID]:
    return [uuid.UUID(json.loads(each)["id"]) for each in found]


async def append_as_system(store: Store, *sealed: bytes) -> None:
    """Append bodies without the check of reserved names, as only the program itself does, or an attacker's code."""
    batch = read_batch(sealed, os.urandom(SALT_BYTES * len(sealed)), lambda body: decode_sealed(body, LimitSettings()))
    async with store.pool.cursor() as cursor:
        await append(cursor, SIGNER, f"system-{uuid.uuid4()}", batch)
