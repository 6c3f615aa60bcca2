"""What an operator wants to know of the database itself: which server, which login, and whether its rights fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trenova.store import roles
from trenova.store.pool import Pool
from trenova.store.roles import Columns, Role
from trenova.store.sql import sql

SERVER, RIGHTS, POWERS, ARCHIVING = sql("server"), sql("rights"), sql("powers"), sql("archiving")

NOTHING: roles.Table = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    number: int
    """As 180001 for 18.1."""
    version: str
    database: str
    login: str
    is_standby: bool
    only_reads: bool
    """New transactions only read, by a setting of the server, the database or the login."""
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Where the login's rights differ from those of its role, as `INSERT on entries`, `UPDATE (size) on heads`."""

    roles: tuple[str, ...]
    """Those of ours that it is in; none for the owner of the tables, and for a login that was put into none."""
    missing: tuple[str, ...]
    spare: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiving:
    """What a server that is backed up continuously tells of that. Whether anything can be restored it does not know."""

    is_on: bool
    archived_at: datetime | None
    failed_at: datetime | None


async def server(pool: Pool) -> Server:
    async with pool.cursor() as cursor:
        await cursor.execute(SERVER)
        ((number, version, database, login, is_standby, only_reads, now),) = await cursor.fetchall()
    return Server(
        number=number,
        version=version.split()[0],
        database=database,
        login=login,
        is_standby=is_standby,
        only_reads=only_reads,
        now=now,
    )


async def rights(pool: Pool) -> Rights:
    """A login in several roles needs, and may do, what all of them may."""
    every = frozenset().union(*(role.functions for role in roles.ROLES.values()))
    async with pool.cursor() as cursor:
        await cursor.execute(POWERS, {"roles": [*roles.ROLES, roles.FORMER], "functions": sorted(every)})
        ((is_superuser, member, powers, temporary, functions),) = await cursor.fetchall()
        if is_superuser:
            return Rights(roles=(), missing=(), spare=("SUPERUSER",))
        await cursor.execute(RIGHTS)
        found = await cursor.fetchall()
    owned = dict.fromkeys(f"ownership of {table}" for table, owns, *_ in found if owns)
    if owned:
        return Rights(roles=(), missing=(), spare=(*powers, *owned))
    mine = [roles.ROLES[name] for name in member if name in roles.ROLES]
    missing = [f"EXECUTE on {name}" for role in mine for name in sorted(role.functions - set(functions))]
    allowed = frozenset[str]().union(*(role.functions for role in mine))
    spare = [*powers, *(f"EXECUTE on {name}" for name in functions if name not in allowed)]
    needs_temporary = any(role.temporary for role in mine)
    if temporary != needs_temporary:
        (missing if needs_temporary else spare).append("TEMPORARY on the database")
    extra = [roles.FORMER_RIGHTS] if roles.FORMER in member else []
    missing += lacking(mine, found)
    spare += beyond([*mine, *extra], found)
    return Rights(roles=tuple(member), missing=tuple(missing), spare=tuple(spare))


def lacking(mine: Sequence[Role], found: Sequence[Sequence[Any]]) -> Iterator[str]:
    """The rights of these roles that a row of `rights.sql` does not tell of."""
    held = {(table, kind): None if whole else frozenset(columns) for table, _, kind, columns, whole in found}
    needed = dict.fromkeys(
        (table, kind, columns)
        for role in mine
        for table, rights in sorted(role.tables.items())
        for kind, columns in sorted(rights.items())
    )
    for table, kind, columns in needed:
        has: Columns = held.get((table, kind), frozenset())
        if has is not None and (columns is None or not columns <= has):
            yield said(table, kind, columns if columns is None else columns - has)


def beyond(mine: Sequence[Role], found: Sequence[Sequence[Any]]) -> Iterator[str]:
    """The rights that none of these roles has."""
    for table, _, kind, columns, whole in found:
        allowed = [role.tables.get(table, NOTHING)[kind] for role in mine if kind in role.tables.get(table, NOTHING)]
        if None in allowed:
            continue
        more = [column for column in columns if not any(column in (some or ()) for some in allowed)]
        if more:
            yield said(table, kind, None if whole and len(more) == len(columns) else frozenset(more))


def said(table: str, kind: str, columns: Columns) -> str:
    return f"{kind} on {table}" if columns is None else f"{kind} ({', '.join(sorted(columns))}) on {table}"


async def archiving(pool: Pool) -> Archiving:
    async with pool.cursor() as cursor:
        await cursor.execute(ARCHIVING)
        ((mode, archived_at, failed_at),) = await cursor.fetchall()
    return Archiving(is_on=mode != "off", archived_at=archived_at, failed_at=failed_at)
