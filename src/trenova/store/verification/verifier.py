"""All ledgers, or one, in one snapshot of the database, over any number of processes."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
from trenova.store.verification import changes, cosigned, side_tables, stretch, walks
from trenova.store.verification.ledger import LedgerCheck
from trenova.store.verification.removals import RecordedRemovals, Removal
from trenova.store.verification.rows import entries
from trenova.store.verification.stretch import ONE_SNAPSHOT, CheckedStretch, Claim, Stretch

VERIFIED_LEDGERS, REMOVALS = sql("verified_ledgers"), sql("removals_with_entries")
OVERDUE = sql("side_tables/overdue")
STRAY_ENTRIES, STRAY_CHECKPOINTS, STRAY_TILES = sql("stray_entries"), sql("stray_checkpoints"), sql("stray_tiles")
NO_TIMEOUTS, LOCK_TIMEOUT, EXPORT_SNAPSHOT = sql("no_timeouts"), sql("lock_timeout"), sql("export_snapshot")

# Stretches in progress: enough that on 32 cores none waits for the process that takes the results in order.
AHEAD = 64
LENGTH = stretch.TILES * WIDTH

Cursor = psycopg.AsyncCursor[Any]
KeysOf = Callable[[str], Sequence[VerifierKey]]
"""The verifier keys of a tenant's ledger."""
Progress = Callable[[int, int], None]
"""Called with the number of entries that are checked so far, and of all."""


class VerifiedLedger(NamedTuple):
    """A row of `verified_ledgers.sql`."""

    tenant: str
    size: int | None
    frontier: bytes | None
    position: int
    """That of retention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    url: str = field(repr=False)
    keys: KeysOf
    workers: Executor = field(repr=False)
    """Where the stretches are checked; see `workers.processes`."""
    known: Mapping[str, Sequence[Claim]] = field(default_factory=dict)
    """By tenant, what signed checkpoints say that were kept outside of the database. See `claim`."""
    witnesses: Sequence[VerifierKey] = ()
    """Their cosignatures are verified, and not only compared with the checkpoints."""

    async def database(self) -> list[DamagedPlace]:
        """Where tables, triggers, functions, grants and the like differ from what the migrations made.

        Raises Unavailable while the database is unreachable, SchemaMismatch for one of another release.
        """
        async with Pool.open(self.url, size=1) as pool:
            return await catalog.check(pool)

    async def logs(
        self, progress: Progress, *, tenant: str = "", after: str = ""
    ) -> AsyncGenerator[LedgerVerdict, None]:
        """The verdict on each ledger in the order of tenants' names: those after `after`, or that of `tenant` alone.

        All see the database as it was at the start, so entries may be appended during it. The snapshot holds up vacuum.
        Raises Unavailable while the database is unreachable, NotFound if there is no such ledger.
        """
        async with Pool.open(self.url, size=1) as pool, pool.cursor() as cursor:
            snapshot = await take_snapshot(cursor)
            ledgers = await self.open_checks(cursor, tenant, after)
            done, total = 0, sum(ledger.size for ledger in ledgers)
            span = side_tables.span_of(tenant=tenant, after=after)
            others = by_tenant(
                [
                    *await side_tables.check(cursor, span),
                    *await walks.check(cursor, span, lambda: progress(0, total)),
                ]
            )
            for ledger, future in submit(self.workers, self.work(ledgers, snapshot)):
                if future is None:
                    await check_outside(cursor, ledger)
                    ledger.places += others.pop(ledger.tenant, [])
                    await cosigned.check(cursor, ledger, self.witnesses)
                    yield ledger.verdict()
                    continue
                checked = await asyncio.wrap_future(future)
                await add_stretch(cursor, ledger, checked)
                done += sum(tile.leaves for tile in checked.tiles)
                progress(done, total)
            for name, places in others.items():  # of tenants without a ledger, or without a name
                yield LedgerVerdict(tenant=name, size=0, places=places)

    async def open_checks(self, cursor: Cursor, tenant: str, after: str) -> list[LedgerCheck]:
        known = [name for name in self.known if name > after and tenant in {"", name}]
        await cursor.execute(VERIFIED_LEDGERS, {"tenant": tenant, "after": after, "known": known})
        rows = [VerifiedLedger._make(row) for row in await cursor.fetchall()]
        if tenant and not rows:
            raise NotFound(f"there is no ledger of the tenant {tenant}", hint="check all: trenova verify --live")
        return [
            LedgerCheck(
                row.tenant,
                row.size,
                row.frontier or b"",
                keys=self.keys(row.tenant),
                claims=self.known.get(row.tenant, ()),
                position=row.position,
            )
            for row in rows
        ]

    def work(self, ledgers: Sequence[LedgerCheck], snapshot: str) -> Iterator[tuple[LedgerCheck, Stretch | None]]:
        """Every stretch of every ledger in order, and None after the last of each ledger."""
        url = sqlalchemy_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        for ledger in ledgers:
            for first, end in ledger.stretches(LENGTH):
                yield (
                    ledger,
                    Stretch(
                        url=url,
                        snapshot=snapshot,
                        tenant=ledger.tenant,
                        first=first,
                        end=end,
                        keys=ledger.keys,
                        claims=ledger.claims,
                        position=ledger.position,
                    ),
                )
            yield ledger, None


def claim(message: bytes, keys: KeysOf) -> tuple[str, Claim]:
    """Tenant and claim of a checkpoint that was kept. Raises VerificationError unless a key of the ledger signed it."""
    origin = checkpoint.parse(notes.parse(message).text).origin
    tenant = origin.rpartition("/")[2]
    head = verify.signed_checkpoint(message, keys=keys(tenant), check=signing.check, origin=origin)
    return tenant, Claim(size=head.size, root=head.root, where=f"your checkpoint {head.size}")


def submit(
    workers: Executor, work: Iterable[tuple[LedgerCheck, Stretch | None]]
) -> Iterator[tuple[LedgerCheck, Future[CheckedStretch] | None]]:
    """The work in its order, with at most AHEAD stretches handed to the workers before their turn."""
    in_progress: deque[tuple[LedgerCheck, Future[CheckedStretch] | None]] = deque()
    for ledger, part in work:
        in_progress.append((ledger, None if part is None else workers.submit(stretch.check, part)))
        if len(in_progress) > AHEAD:
            yield in_progress.popleft()
    yield from in_progress


def by_tenant(places: Iterable[DamagedPlace]) -> dict[str, list[DamagedPlace]]:
    groups: dict[str, list[DamagedPlace]] = {}
    for place in places:
        groups.setdefault(place.tenant, []).append(place)
    return groups


async def take_snapshot(cursor: Cursor) -> str:
    """The name under which other transactions can import this one's snapshot, as long as it lasts."""
    await cursor.execute(ONE_SNAPSHOT)
    await cursor.execute(NO_TIMEOUTS)
    # No statement waits for a lock longer than the stretches do.
    await cursor.execute(LOCK_TIMEOUT, {"timeout": str(stretch.GIVE_WAY_MS)})
    await cursor.execute(EXPORT_SNAPSHOT)
    ((snapshot,),) = await cursor.fetchall()
    return str(snapshot)


async def add_stretch(cursor: Cursor, ledger: LedgerCheck, checked: CheckedStretch) -> None:
    """Add a checked stretch to its ledger, with what the stretch could not decide alone."""
    await read_removals(cursor, ledger)
    if checked.kept:
        await cursor.execute(OVERDUE, {"tenant": ledger.tenant, "indexes": checked.kept})
        ledger.add_overdue([index for (index,) in await cursor.fetchall()])
    additions = ledger.add_stretch(checked)
    stored = await read_tiles(cursor, {ledger.tenant: [(one.level, one.index) for one in additions]})
    ledger.compare(additions, stored[ledger.tenant])


async def read_removals(cursor: Cursor, ledger: LedgerCheck) -> None:
    """Read what the ledger reports as removed, once for each ledger."""
    if ledger.removals is None:
        await cursor.execute(REMOVALS, {"tenant": ledger.tenant})
        ledger.removals = RecordedRemovals.read(ledger.tenant, map(Removal._make, await cursor.fetchall()))
        ledger.places += ledger.removals.problems


async def check_outside(cursor: Cursor, ledger: LedgerCheck) -> None:
    """Add rows, tiles and checkpoints beyond the end of the ledger, and changes that it does not report."""
    await read_removals(cursor, ledger)
    parameters = {"tenant": ledger.tenant, "size": ledger.size}
    await cursor.execute(STRAY_ENTRIES, parameters)
    for first, last in await cursor.fetchall():
        ledger.add(entries(first, last), f"nothing in a ledger of {ledger.size} entries", "rows")
    await cursor.execute(STRAY_CHECKPOINTS, parameters)
    for size, count in await cursor.fetchall():
        more = f" (and {count - 1} more)" if count > 1 else ""
        ledger.add("head", f"{size} entries or more, as checkpoint {size}{more} says", f"{ledger.size} entries")
    await cursor.execute(STRAY_TILES, parameters)
    for level, index, expected, got in await cursor.fetchall():
        ledger.add(f"tile {index} of level {level}", f"{expected} hashes", f"{got}")
    ledger.places += await changes.check(cursor, ledger.tenant)
