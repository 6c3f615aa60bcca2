"""Legal holds: entries that retention does not remove, however old they are."""

import uuid
from dataclasses import asdict, dataclass
from datetime import datetime

import uuid_utils.compat
from psycopg.rows import class_row

from trenova.domain.entry import Entry, Party
from trenova.domain.retention import recording_tenant
from trenova.errors import NotFound
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store.pool import Pool
from trenova.store.retention.records import append_decision, owners_only
from trenova.store.sql import sql

HOLDS, PLACE_HOLD, RELEASE_HOLD = sql("holds"), sql("place_hold"), sql("release_hold")
LEGAL_HOLD = "legal_hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Which entries a hold covers, like the filters of a search; None does not restrict."""

    tenant: str
    """`*` for every tenant."""
    actor: str | None = None
    action: str | None = None
    """The action, or its beginning followed by `*`."""
    target: str | None = None
    occurred_from: datetime | None = None
    occurred_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold(Matching):
    id: uuid.UUID
    name: str
    reason: str
    placed_by: str
    placed_at: datetime
    release_reason: str | None
    released_by: str | None
    released_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holds:
    pool: Pool
    signer: LedgerSigner | None = None
    """Needed to place and release, not to read: both are entries in the tenant's ledger; for `*` in the system's."""

    async def list(self) -> list[Hold]:
        """Oldest first, including released ones."""
        async with self.pool.cursor() as cursor:
            cursor.row_factory = class_row(Hold)
            await cursor.execute(HOLDS)
            return await cursor.fetchall()

    async def place(self, matching: Matching, *, name: str, reason: str, by: str) -> uuid.UUID:
        """Returns the hold's id. From then on nothing that it matches is removed: it waits for a running removal.

        Raises Forbidden for any role but the schema's owner.
        """
        filters = asdict(matching)
        async with self.pool.cursor() as cursor:
            with owners_only():
                await cursor.execute(PLACE_HOLD, {**filters, "name": name, "reason": reason, "by": by})
                ((id_, at),) = await cursor.fetchall()
                report = Entry(
                    id=uuid_utils.compat.uuid7(),
                    tenant=recording_tenant(matching.tenant),
                    occurred_at=at,
                    received_at=at,
                    actor=Party(type="user", id=by),
                    action="hold.place",
                    target=Party(type=LEGAL_HOLD, id=str(id_), name=name),
                    outcome="success",
                    comment=reason,
                    metadata={filter_: value for filter_, value in filters.items() if value is not None},
                )
                await append_decision(cursor, self.signer, report)
        hold_id: uuid.UUID = id_
        return hold_id

    async def release(self, id_: uuid.UUID, *, reason: str, by: str) -> None:
        """The next run may remove what the hold covered. Raises NotFound unless in force, Forbidden as `place`."""
        async with self.pool.cursor() as cursor:
            with owners_only():
                await cursor.execute(RELEASE_HOLD, {"id": id_, "reason": reason, "by": by})
                row = await cursor.fetchone()
                if row is None:
                    raise NotFound(f"there is no hold {id_} in force", hint="list them: trenova hold list")
                tenant, name, at = row
                report = Entry(
                    id=uuid_utils.compat.uuid7(),
                    tenant=recording_tenant(tenant),
                    occurred_at=at,
                    received_at=at,
                    actor=Party(type="user", id=by),
                    action="hold.release",
                    target=Party(type=LEGAL_HOLD, id=str(id_), name=name),
                    outcome="success",
                    comment=reason,
                )
                await append_decision(cursor, self.signer, report)
