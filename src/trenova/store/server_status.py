"""What an operator needs to know of the database itself: which server, which login, and whether its rights fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from trenova.store import roles
from trenova.store.pool import Pool
from trenova.store.roles import Columns, Role
from trenova.store.sql import sql

SERVER, RIGHTS, POWERS, ARCHIVING = sql("server"), sql("rights"), sql("powers"), sql("archiving")

NO_RIGHTS: roles.Table = {}


class Server(NamedTuple):
    number: int
    """Such as 180001 for 18.1."""
    version: str
    database: str
    login: str
    is_standby: bool
    is_read_only: bool
    """Whether a setting of the server, the database or the login makes new transactions read-only."""
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Where the login's rights differ from those of its role: `INSERT on entries`, `UPDATE (size) on heads`."""

    roles: tuple[str, ...]
    """Our roles that it is in; none for the owner of the tables, and for a login that is in no role."""
    missing: tuple[str, ...]
    spare: tuple[str, ...]


class TableRight(NamedTuple):
    """A row of `rights.sql`: one kind of right that the login has on a table."""

    table: str
    is_owner: bool
    kind: str
    columns: Sequence[str]
    is_whole: bool
    """Whether these are all columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiving:
    """What the server reports of its continuous backup. It does not know whether that can be restored."""

    is_on: bool
    archived_at: datetime | None
    failed_at: datetime | None


async def read_server(pool: Pool) -> Server:
    async with pool.cursor() as cursor:
        await cursor.execute(SERVER)
        (row,) = await cursor.fetchall()
    server = Server._make(row)
    version, *_ = server.version.split()  # some builds append their name
    return server._replace(version=version)


async def read_rights(pool: Pool) -> Rights:
    """A login in several roles needs the rights of all of them, and may have these."""
    every = frozenset().union(*(role.functions for role in roles.ROLES.values()))
    async with pool.cursor() as cursor:
        await cursor.execute(POWERS, {"roles": [*roles.ROLES, roles.FORMER], "functions": sorted(every)})
        ((is_superuser, member, powers, temporary, functions),) = await cursor.fetchall()
        if is_superuser:
            return Rights(roles=(), missing=(), spare=("SUPERUSER",))
        await cursor.execute(RIGHTS)
        table_rights = [TableRight._make(row) for row in await cursor.fetchall()]
    owned = dict.fromkeys(f"ownership of {right.table}" for right in table_rights if right.is_owner)
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
    missing += missing_rights(mine, table_rights)
    spare += spare_rights([*mine, *extra], table_rights)
    return Rights(roles=tuple(member), missing=tuple(missing), spare=tuple(spare))


def missing_rights(mine: Sequence[Role], table_rights: Sequence[TableRight]) -> Iterator[str]:
    """The rights of these roles that the login does not have."""
    granted = {
        (right.table, right.kind): None if right.is_whole else frozenset(right.columns) for right in table_rights
    }
    needed = dict.fromkeys(
        (table, kind, columns)
        for role in mine
        for table, rights in sorted(role.tables.items())
        for kind, columns in sorted(rights.items())
    )
    for table, kind, columns in needed:
        has: Columns = granted.get((table, kind), frozenset())
        if has is not None and (columns is None or not columns <= has):
            yield text_of(table, kind, columns if columns is None else columns - has)


def spare_rights(mine: Sequence[Role], table_rights: Sequence[TableRight]) -> Iterator[str]:
    """The rights of the login that none of these roles has."""
    for right in table_rights:
        tables = [role.tables.get(right.table, NO_RIGHTS) for role in mine]
        allowed = [table[right.kind] for table in tables if right.kind in table]
        if None in allowed:
            continue
        more = [column for column in right.columns if not any(column in (some or ()) for some in allowed)]
        if more:
            is_whole = right.is_whole and len(more) == len(right.columns)
            yield text_of(right.table, right.kind, None if is_whole else frozenset(more))


def text_of(table: str, kind: str, columns: Columns) -> str:
    return f"{kind} on {table}" if columns is None else f"{kind} ({', '.join(sorted(columns))}) on {table}"


async def read_archiving(pool: Pool) -> Archiving:
    async with pool.cursor() as cursor:
        await cursor.execute(ARCHIVING)
        ((mode, archived_at, failed_at),) = await cursor.fetchall()
    return Archiving(is_on=mode != "off", archived_at=archived_at, failed_at=failed_at)
