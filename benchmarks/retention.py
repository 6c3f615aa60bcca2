"""Whether space is reused: a ledger that gains as many entries as retention removes, for several cycles.

    python -m benchmarks.retention
    python -m benchmarks.retention --entries 200000 --cycles 4

Each cycle appends entries that are past their retention, removes them while another writer appends to the same ledger,
and vacuums as autovacuum does. Real CloudTrail entries, PostgreSQL in a folder of its own.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from benchmarks.entries import texts
from benchmarks.text_table import format_table

from trenova.config import LimitSettings
from trenova.dev import schema
from trenova.dev.postgres import Postgres
from trenova.domain import intake
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.signing import Signer
from trenova.store import Store

TENANT, DAYS, AGE = "acme", 30, timedelta(days=90)
BATCH, SMALL_BATCH, PAUSE_S = 500, 20, 0.02
MIB = 1024 * 1024
SIZES = """
SELECT pg_relation_size('entries'), pg_relation_size(reltoastrelid), pg_indexes_size('entries')
FROM pg_class WHERE oid = 'entries'::regclass
"""

Owner = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    stored_a_second: float
    removed_a_second: float
    longest_step_s: float
    alone_ms: Sequence[float]
    """Appends of SMALL_BATCH entries to the same log while nothing is removed."""
    beside_ms: Sequence[float]
    """The same while entries are removed."""
    filled: Sequence[int]
    """Bytes of table, TOAST and indexes, after the appends."""
    vacuumed: Sequence[int]


def bodies(count: int, received_at: datetime) -> list[bytes]:
    circumstances = intake.RequestContext(received_at=received_at, tenant=TENANT)
    return [intake.seal(text, 0, circumstances, LimitSettings()).body for text in texts(count)]


async def cycle(store: Store, owner: Owner, entries: int) -> Cycle:
    old = bodies(entries, datetime.now(UTC) - AGE)
    begin = time.monotonic()
    for at in range(0, entries, BATCH):
        await store.entries.append(str(uuid.uuid4()), old[at : at + BATCH])
    stored_s = time.monotonic() - begin
    filled = await sizes(owner)
    async with writing(store) as alone_ms:
        await asyncio.sleep(stored_s / 4)
    steps, removed, begin = [], 0, time.monotonic()
    last = begin
    async with writing(store) as beside_ms:
        async for step in store.removals.run():
            steps.append(time.monotonic() - last)
            last, removed = time.monotonic(), removed + step.entries
    removed_s = last - begin
    await owner.execute("VACUUM entries")
    return Cycle(
        stored_a_second=entries / stored_s,
        removed_a_second=removed / removed_s,
        longest_step_s=max(steps),
        alone_ms=alone_ms,
        beside_ms=beside_ms,
        filled=filled,
        vacuumed=await sizes(owner),
    )


@asynccontextmanager
async def writing(store: Store) -> AsyncIterator[list[float]]:
    """Append small batches during the block; the list gains the milliseconds that each took."""
    took_ms: list[float] = []
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            # As old as the others: behind a thousand young entries retention looks for nothing.
            fresh = bodies(SMALL_BATCH, datetime.now(UTC) - AGE)
            begin = time.monotonic()
            await store.entries.append(str(uuid.uuid4()), fresh)
            took_ms.append(1000 * (time.monotonic() - begin))
            await asyncio.sleep(PAUSE_S)

    writer = asyncio.create_task(write())
    yield took_ms
    stop.set()
    await writer


async def sizes(owner: Owner) -> Sequence[int]:
    found: Sequence[int] = (await (await owner.execute(SIZES)).fetchall())[0]
    return found


async def measure(entries: int, cycles: int) -> None:
    signer = LedgerSigner(prefix="bench/v1/log", secrets=(Signer(name="bench", seed=bytes(range(32))),))
    with tempfile.TemporaryDirectory(prefix="trenova-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240 - nothing else runs yet
        async with Postgres(folder).running() as postgres:
            await schema.prepare(postgres)
            async with (
                Store.open(postgres.owner_url, signer=signer) as store,
                await psycopg.AsyncConnection.connect(postgres.owner_url, autocommit=True) as owner,
            ):
                await store.policies.set(TENANT, DAYS, by="bench")
                await owner.execute("ALTER TABLE entries SET (autovacuum_enabled = false)")
                done = []
                for number in range(cycles):
                    sys.stderr.write(f"cycle {number + 1} of {cycles}\n")
                    done.append(await cycle(store, owner, entries))
    print(tables(entries, done))


def tables(entries: int, cycles: Sequence[Cycle]) -> str:
    speeds, space = [], []
    for number, each in enumerate(cycles, start=1):
        speeds.append(
            (
                str(number),
                f"{each.stored_a_second:,.0f}",
                f"{each.removed_a_second:,.0f}",
                f"{each.longest_step_s:.2f}",
                spread(each.alone_ms),
                spread(each.beside_ms),
            )
        )
        space.append((str(number), mib(each.filled), mib(each.vacuumed)))
    append = (
        f"append: milliseconds for {SMALL_BATCH} entries to the same ledger, median (most), alone and during removal"
    )
    return "\n".join(
        (
            format_table(
                f"{entries:,} entries a cycle; {append}",
                ("cycle", "stored/s", "removed/s", "longest step s", "append", "during removal"),
                speeds,
            ),
            format_table("MiB of table + TOAST + indexes", ("cycle", "filled", "after VACUUM"), space),
        )
    )


def mib(parts: Sequence[int]) -> str:
    return " + ".join(f"{part / MIB:.0f}" for part in parts) + f" = {sum(parts) / MIB:.0f}"


def spread(took_ms: Sequence[float]) -> str:
    return f"{statistics.median(took_ms):.0f} ({max(took_ms):.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retention", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--entries", type=int, default=100_000, help="entries appended and removed in a cycle (default 100000)"
    )
    parser.add_argument("--cycles", type=int, default=4, help="number of cycles (default 4)")
    options = parser.parse_args()
    asyncio.run(measure(options.entries, options.cycles))


if __name__ == "__main__":
    main()
