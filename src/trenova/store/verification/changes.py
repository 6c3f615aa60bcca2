"""Whether the ledgers report every API key and every edited dead letter, with the values that these have now."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
import psycopg
from msgspec import Struct

from trenova.domain.reserved import SYSTEM_TENANT
from trenova.domain.verification import DamagedPlace
from trenova.store.sql import sql

RECORDED_KEYS, RECORDED_LETTERS = sql("recorded_keys"), sql("recorded_letters")

# A worker appends a record within seconds. If none has for longer than this, the entry counts as missing.
PATIENCE = timedelta(hours=1)

Cursor = psycopg.AsyncCursor[Any]
Problem = tuple[str, str]
"""Expected, and got."""


class RecordedKey(NamedTuple):
    """An API key with one of its records, or either alone: a row of `recorded_keys.sql`."""

    id: str
    exists: bool
    role: str | None
    tenant: str | None
    fingerprint: str | None
    is_revoked: bool
    action: str | None
    """Of the record; None without one."""
    is_young: bool | None
    body: bytes | None
    """Of the entry that reports the change."""


class RecordedLetter(NamedTuple):
    """A dead letter with one record of an edit, or either alone: a row of `recorded_letters.sql`."""

    id: str
    exists: bool
    is_of_ledger: bool | None
    edited_by: uuid.UUID | str | None
    body_hash: str | None
    action: str | None
    is_young: bool | None
    body: bytes | None


Recorded = TypeVar("Recorded", RecordedKey, RecordedLetter)


class PartyId(Struct, frozen=True):
    id: str


class Facts(Struct, frozen=True):
    role: str | None = None
    tenant: str | None = None
    fingerprint: str | None = None
    revoked_at: str | None = None
    edited_by: str | None = None
    sha256_after: str | None = None


class ChangeEntry(Struct, frozen=True):
    """What is read of an entry that reports a change."""

    action: str
    actor: PartyId
    target: PartyId
    metadata: Facts = Facts()


decoder = msgspec.json.Decoder(ChangeEntry)

Report = ChangeEntry | Literal["none", "pending", "another"]
"""The entry that reports a change, or why there is none that does."""


async def check(cursor: Cursor, tenant: str) -> list[DamagedPlace]:
    """Changes that this ledger does not report, or reports with other values."""
    found: list[DamagedPlace] = []
    if tenant == SYSTEM_TENANT:
        await cursor.execute(RECORDED_KEYS, {"patience": PATIENCE})
        found += places(tenant, "API key", map(RecordedKey._make, await cursor.fetchall()), key_problems)
    await cursor.execute(RECORDED_LETTERS, {"tenant": tenant, "patience": PATIENCE})
    letters = map(RecordedLetter._make, await cursor.fetchall())
    return found + places(tenant, "dead letter", letters, letter_problems)


def places(
    tenant: str, what: str, rows: Iterator[Recorded], problems: Callable[[Sequence[Recorded]], Iterator[Problem]]
) -> list[DamagedPlace]:
    return [
        DamagedPlace(tenant=tenant, place=f"{what} {id_}", expected=expected, got=got)
        for id_, group in groupby(rows, key=attrgetter("id"))
        for expected, got in problems(list(group))
    ]


def key_problems(rows: Sequence[RecordedKey]) -> Iterator[Problem]:
    """Takes the rows of one key."""
    key = rows[0]
    reports = {row.action: report_of(row) for row in rows if row.action is not None}
    created = reports.get("api_key.create", reports.get("api_key.baseline", "none"))
    if not key.exists:
        yield "the key, as its record says", "none"
        return
    if isinstance(created, ChangeEntry):
        facts = created.metadata
        if (facts.role, facts.tenant, facts.fingerprint) != (key.role, key.tenant, key.fingerprint):
            yield "role, tenant and secret as its entry says", "another"
    elif created != "pending":
        yield "an entry api_key.create that reports it", created
    revoked = reports.get("api_key.revoke")
    if revoked is None and isinstance(created, ChangeEntry) and created.metadata.revoked_at is not None:
        revoked = created
    if key.is_revoked and (revoked is None or revoked in {"none", "another"}):
        yield "an entry api_key.revoke that reports its revocation", "none"
    if not key.is_revoked and revoked is not None:
        yield "a revoked key, as its record says", "one that is valid"


def letter_problems(rows: Sequence[RecordedLetter]) -> Iterator[Problem]:
    """Takes the rows of one dead letter, in the order of its edits."""
    letter = rows[0]
    if not letter.exists:
        yield "the dead letter, as its record says", "none"
        return
    if not letter.is_of_ledger:
        return  # it named no tenant before an edit that another ledger reports
    if letter.edited_by is None:
        yield "an edited letter, as its record says", "one that was not edited"
        return
    reports = [report_of(row) for row in rows if row.action is not None]
    newest: Report = reports[-1] if reports else "none"
    if isinstance(newest, ChangeEntry):
        if letter.body_hash is not None and newest.metadata.sha256_after != letter.body_hash:
            yield "the body that its last edit left, as the entry says", "another"
    elif newest != "pending":
        yield "an entry dead_letter.edit that reports its edit", newest


def report_of(row: RecordedKey | RecordedLetter) -> Report:
    if row.body is None:
        return "pending" if row.is_young else "none"
    try:
        entry = decoder.decode(row.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "another"
    return entry if (entry.action, entry.target.id) == (row.action, row.id) else "another"
