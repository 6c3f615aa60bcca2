"""What an operator wants to know of the database itself: which server, which login, and whether its rights fit."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from trenova.store.pool import Pool
from trenova.store.sql import sql

SERVER, RIGHTS, POWERS, ARCHIVING = sql("server"), sql("rights"), sql("powers"), sql("archiving")

READS, ADDS = frozenset({"SELECT"}), frozenset({"SELECT", "INSERT"})
# The rights of the role trenova_app, as the migrations grant them.
NEEDED: Mapping[str, AbstractSet[str]] = {
    "api_keys": ADDS,
    "batches": ADDS,
    "checkpoints": ADDS,
    "cosignatures": ADDS,
    "dead_letters": ADDS,
    "entries": ADDS,
    "heads": ADDS,
    "legal_holds": READS,
    "reconciliations": ADDS,
    "refused_checkpoints": ADDS,
    "removals": READS,
    "retention_policies": READS,
    "retention_positions": READS,
    "schema_version": READS,
    "tiles": ADDS,
    "unstored_runs": ADDS,
}
# Of these it changes some columns.
CHANGES = frozenset(
    {
        "api_keys",
        "checkpoints",
        "dead_letters",
        "heads",
        "reconciliations",
        "refused_checkpoints",
        "tiles",
        "unstored_runs",
    }
)


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
    """Where the login's rights differ from those of trenova_app: `INSERT on entries`."""

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
    async with pool.cursor() as cursor:
        await cursor.execute(POWERS)
        ((is_superuser, *powers),) = await cursor.fetchall()
        if is_superuser:
            return Rights(missing=(), spare=("SUPERUSER",))
        await cursor.execute(RIGHTS, {"tables": list(NEEDED)})
        found = await cursor.fetchall()
    missing = [f"SELECT on {table}" for table in NEEDED.keys() - {table for table, *_ in found}]
    names = ("CREATEROLE", "BYPASSRLS", "REPLICATION")
    spare = [name for name, has in zip(names, powers, strict=True) if has]
    for table, held, changes, owns in found:
        missing += [f"{right} on {table}" for right in sorted(NEEDED[table] - set(held))]
        if owns:
            spare.append(f"ownership of {table}")
            continue
        spare += [f"{right} on {table}" for right in sorted(set(held) - NEEDED[table])]
        if changes != (table in CHANGES) and "UPDATE" not in held:
            (spare if changes else missing).append(f"UPDATE of columns of {table}")
    return Rights(missing=tuple(missing), spare=tuple(spare))


async def archiving(pool: Pool) -> Archiving:
    async with pool.cursor() as cursor:
        await cursor.execute(ARCHIVING)
        ((mode, archived_at, failed_at),) = await cursor.fetchall()
    return Archiving(is_on=mode != "off", archived_at=archived_at, failed_at=failed_at)
