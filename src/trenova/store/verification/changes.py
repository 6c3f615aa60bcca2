"""Whether the log tells of every API key and of every dead letter that was edited, and tells what they are now."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import msgspec
import psycopg
from msgspec import Struct

from trenova.domain.reserved import SYSTEM_TENANT
from trenova.domain.verification import DamagedPlace
from trenova.store.sql import sql

RECORDED_KEYS, RECORDED_LETTERS = sql("recorded_keys"), sql("recorded_letters")

# A worker appends a record within seconds. Without any worker for longer than this, it is told as missing.
PATIENCE = timedelta(hours=1)

Cursor = psycopg.AsyncCursor[Any]
Problem = tuple[str, str]
"""Expected, and got."""


class Named(Struct, frozen=True):
    id: str


class Facts(Struct, frozen=True):
    role: str | None = None
    tenant: str | None = None
    fingerprint: str | None = None
    revoked_at: str | None = None
    edited_by: str | None = None
    sha256_after: str | None = None


class Told(Struct, frozen=True):
    """What is read of an entry that tells of a change."""

    action: str
    actor: Named
    target: Named
    metadata: Facts = Facts()


decoder = msgspec.json.Decoder(Told)


async def untold(cursor: Cursor, tenant: str) -> list[DamagedPlace]:
    """What was changed without this log, or otherwise than it tells."""
    found: list[DamagedPlace] = []
    if tenant == SYSTEM_TENANT:
        await cursor.execute(RECORDED_KEYS, {"patience": PATIENCE})
        found += places(tenant, "API key", await cursor.fetchall(), key_problems)
    await cursor.execute(RECORDED_LETTERS, {"tenant": tenant, "patience": PATIENCE})
    return found + places(tenant, "dead letter", await cursor.fetchall(), letter_problems)


def places(
    tenant: str, what: str, rows: Sequence[Any], problems: Callable[[Sequence[Any]], Iterator[Problem]]
) -> list[DamagedPlace]:
    return [
        DamagedPlace(tenant=tenant, place=f"{what} {id_}", expected=expected, got=got)
        for id_, group in groupby(rows, key=itemgetter(0))
        for expected, got in problems(list(group))
    ]


def key_problems(rows: Sequence[Any]) -> Iterator[Problem]:
    id_, is_there, role, tenant, fingerprint, is_revoked, *_ = rows[0]
    told = {action: read(id_, action, body, is_young=young) for *_, action, young, body in rows if action is not None}
    made = told.get("api_key.create", told.get("api_key.baseline", "none"))
    if not is_there:
        yield "the key, as its record says", "none"
        return
    if isinstance(made, Told):
        if (made.metadata.role, made.metadata.tenant, made.metadata.fingerprint) != (role, tenant, fingerprint):
            yield "role, tenant and secret as its entry tells", "another"
    elif made != "pending":
        yield "an entry api_key.create that tells of it", made
    revoked = told.get("api_key.revoke")
    if revoked is None and isinstance(made, Told) and made.metadata.revoked_at is not None:
        revoked = made
    if is_revoked and (revoked is None or revoked in {"none", "another"}):
        yield "an entry api_key.revoke that tells of its revocation", "none"
    if not is_revoked and revoked is not None:
        yield "a revoked key, as its record says", "one that is good"


def letter_problems(rows: Sequence[Any]) -> Iterator[Problem]:
    id_, is_there, is_here, edited_by, body_hash, *_ = rows[0]
    if not is_there:
        yield "the dead letter, as its record says", "none"
        return
    if not is_here:
        return  # it named no tenant before an edit that is told in another log
    if edited_by is None:
        yield "an edited letter, as its record says", "one that nobody edited"
        return
    told = [read(id_, action, body, is_young=young) for *_, action, young, body in rows if action is not None]
    newest = told[-1] if told else "none"
    if isinstance(newest, Told):
        if body_hash is not None and newest.metadata.sha256_after != body_hash:
            yield "the body that its last edit left, as the entry tells", "another"
    elif newest != "pending":
        yield "an entry dead_letter.edit that tells of its edit", newest


def read(id_: str, action: str, body: bytes | None, *, is_young: bool) -> Told | Literal["none", "pending", "another"]:
    """The entry, if it is there and tells of this change."""
    if body is None:
        return "pending" if is_young else "none"
    try:
        told = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "another"
    return told if (told.action, told.target.id) == (action, id_) else "another"
