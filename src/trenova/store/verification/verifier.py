"""All logs, or one, in one snapshot of the database, over any number of processes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import psycopg

from trenova.domain.verification import DamagedPlace, LedgerVerdict
from trenova.errors import NotFound
from trenova.ledger import checkpoint, signing, verify
from trenova.ledger import note as notes
from trenova.ledger.note import VerifierKey
from trenova.ledger.tiles import WIDTH
from trenova.store import catalog
from trenova.store.ledgers import read_tiles
from trenova.store.pool import Pool, sqlalchemy_url
from trenova.store.sql import sql
from trenova.store.verification import beside as beside_logs
from trenova.store.verification import changes, cosigned, stretch, walks
from trenova.store.verification.ledger import LedgerCheck
from trenova.store.verification.removals import Told
from trenova.store.verification.rows import entries
from trenova.store.verification.stretch import Claim, Found, Stretch

VERIFIED_LOGS, TOLD_REMOVALS = sql("verified_logs"), sql("told_removals")
KEPT = sql("beside/kept")
STRAY_ENTRIES, STRAY_CHECKPOINTS, STRAY_TILES = sql("stray_entries"), sql("stray_checkpoints"), sql("stray_tiles")

# Stretches under way: enough that on 32 cores none waits for the one that reads them in order.
AHEAD = 64
LENGTH = stretch.TILES * WIDTH

Cursor = psycopg.AsyncCursor[Any]
KeysOf = Callable[[str], Sequence[VerifierKey]]
"""The verifier keys of a tenant's log."""
Progress = Callable[[int, int], None]
"""Called with the entries that are checked so far and with all that are to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    url: str = field(repr=False)
    keys: KeysOf
    workers: Executor = field(repr=False)
    """Where the work is done; see `workers.processes`."""
    known: Mapping[str, Sequence[Claim]] = field(default_factory=dict)
    """By tenant, what signed checkpoints said that were kept outside of the database. See `claim`."""
    witnesses: Sequence[VerifierKey] = ()
    """Whose cosignatures are verified, and not only compared with what they were made over."""

    async def database(self) -> list[DamagedPlace]:
        """Where tables, triggers, functions, grants and the like are not as the migrations made them.

        Raises Unavailable while the database is away, SchemaMismatch for one of another release.
        """
        async with Pool.open(self.url, size=1) as pool:
            return await catalog.check(pool)

    async def logs(
        self, progress: Progress, *, tenant: str = "", after: str = ""
    ) -> AsyncGenerator[LedgerVerdict, None]:
        """The verdict on each log by the order of tenants' names: those behind `after`, or that of `tenant` alone.

        All see the database as it was at the start, so entries may be appended meanwhile. The snapshot holds up vacuum.
        Raises Unavailable while the database is away, NotFound if there is no such log.
        """
        async with Pool.open(self.url, size=1) as pool, pool.cursor() as cursor:
            snapshot = await take_snapshot(cursor)
            logs = await self._logs(cursor, tenant, after)
            done, total = 0, sum(log.size for log in logs)
            span = beside_logs.span_of(tenant=tenant, after=after)
            beside = by_tenant(
                [
                    *await beside_logs.places(cursor, span),
                    *await walks.places(cursor, span, lambda: progress(0, total)),
                ]
            )
            for log, future in submitted(self.workers, self._work(logs, snapshot)):
                if future is None:
                    await look_outside(cursor, log)
                    log.places += beside.pop(log.tenant, [])
                    await cosigned.check(cursor, log, self.witnesses)
                    yield log.verdict()
                    continue
                found = await asyncio.wrap_future(future)
                await take(cursor, log, found)
                done += sum(tile.leaves for tile in found.tiles)
                progress(done, total)
            for name, places in beside.items():  # of tenants without a log, or without a name
                yield LedgerVerdict(tenant=name, size=0, places=places)

    async def _logs(self, cursor: Cursor, tenant: str, after: str) -> list[LedgerCheck]:
        known = [name for name in self.known if name > after and tenant in {"", name}]
        await cursor.execute(VERIFIED_LOGS, {"tenant": tenant, "after": after, "known": known})
        found = await cursor.fetchall()
        if tenant and not found:
            raise NotFound(f"there is no log of the tenant {tenant}", hint="`trenova verify --live` checks all of them")
        return [
            LedgerCheck(
                name,
                size,
                bytes(frontier or b""),
                keys=self.keys(name),
                claims=self.known.get(name, ()),
                position=position,
            )
            for name, size, frontier, position in found
        ]

    def _work(self, logs: Sequence[LedgerCheck], snapshot: str) -> Iterator[tuple[LedgerCheck, Stretch | None]]:
        """Every stretch of every log in order, and behind the last of each log None."""
        url = sqlalchemy_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        for log in logs:
            for first, end in log.stretches(LENGTH):
                yield (
                    log,
                    Stretch(
                        url=url,
                        snapshot=snapshot,
                        tenant=log.tenant,
                        first=first,
                        end=end,
                        keys=log.keys,
                        claims=log.claims,
                        position=log.position,
                    ),
                )
            yield log, None


def claim(message: bytes, keys: KeysOf) -> tuple[str, Claim]:
    """Tenant and claim of a checkpoint that somebody kept; VerificationError unless one of the log's keys signed it."""
    origin = checkpoint.parse(notes.parse(message).text).origin
    tenant = origin.rpartition("/")[2]
    head = verify.signed_checkpoint(message, keys=keys(tenant), check=signing.check, origin=origin)
    return tenant, Claim(size=head.size, root=head.root, where=f"your checkpoint {head.size}")


def submitted(
    workers: Executor, work: Iterable[tuple[LedgerCheck, Stretch | None]]
) -> Iterator[tuple[LedgerCheck, Future[Found] | None]]:
    """The work in its order, with at most AHEAD pieces of it handed to the workers before their turn."""
    under_way: deque[tuple[LedgerCheck, Future[Found] | None]] = deque()
    for log, part in work:
        under_way.append((log, None if part is None else workers.submit(stretch.check, part)))
        if len(under_way) > AHEAD:
            yield under_way.popleft()
    yield from under_way


def by_tenant(places: Iterable[DamagedPlace]) -> dict[str, list[DamagedPlace]]:
    found: dict[str, list[DamagedPlace]] = {}
    for one in places:
        found.setdefault(one.tenant, []).append(one)
    return found


async def take_snapshot(cursor: Cursor) -> str:
    """The name under which other connections can see what this transaction sees, as long as it lasts."""
    await cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    await cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    # Some statements read a whole table. None waits for a lock for longer than the stretches do.
    await cursor.execute("SET LOCAL statement_timeout = 0")
    await cursor.execute(f"SET LOCAL lock_timeout = {stretch.GIVE_WAY_MS}")
    await cursor.execute("SELECT pg_export_snapshot()")
    ((snapshot,),) = await cursor.fetchall()
    return str(snapshot)


async def take(cursor: Cursor, log: LedgerCheck, found: Found) -> None:
    await ask_removals(cursor, log)
    if found.kept:
        await cursor.execute(KEPT, {"tenant": log.tenant, "indexes": found.kept})
        log.add_kept([index for (index,) in await cursor.fetchall()])
    additions = log.take(found)
    stored = await read_tiles(cursor, {log.tenant: [(one.level, one.index) for one in additions]})
    log.compare(additions, stored[log.tenant])


async def ask_removals(cursor: Cursor, log: LedgerCheck) -> None:
    """Before the first stretch."""
    if log.told is None:
        await cursor.execute(TOLD_REMOVALS, {"tenant": log.tenant})
        log.told = Told.by(log.tenant, await cursor.fetchall())
        log.places += log.told.problems


async def look_outside(cursor: Cursor, log: LedgerCheck) -> None:
    """What is there and belongs to no entry of the log: rows, tiles and checkpoints beyond its end."""
    await ask_removals(cursor, log)
    asked = {"tenant": log.tenant, "size": log.size}
    await cursor.execute(STRAY_ENTRIES, asked)
    for first, last in await cursor.fetchall():
        log.add(entries(first, last), f"nothing in a log of {log.size} entries", "rows")
    await cursor.execute(STRAY_CHECKPOINTS, asked)
    for size, number in await cursor.fetchall():
        more = f" (and {number - 1} more)" if number > 1 else ""
        log.add("head", f"{size} entries or more, as checkpoint {size}{more} says", f"{log.size} entries")
    await cursor.execute(STRAY_TILES, asked)
    for level, index, expected, got in await cursor.fetchall():
        log.add(f"tile {index} of level {level}", f"{expected} hashes", f"{got}")
    log.places += await changes.untold(cursor, log.tenant)
