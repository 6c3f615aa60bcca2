"""What each index besides the primary key costs when writing: the same rows by COPY, with all and without each.

Each run drops indexes in a transaction, copies its rows and rolls back, so that every run has the same indexes. It
leaves dead rows: an empty table is truncated again; a large one grows a little with every run of any variant, so each
round begins with another variant.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.entries import COLUMNS
from benchmarks.measurement import Measurement
from benchmarks.meter import measuring
from benchmarks.report import Spread, format_spread, over, rate, spread
from benchmarks.rounds import Round, Say
from benchmarks.scaling import fill, generate_rows
from benchmarks.servers import Servers
from benchmarks.text_table import format_table
from psycopg import sql

MOST_ROWS = 1_000_000
FAILED_EACH = 20
ALL, NONE = "all indexes", "the primary key alone"
OUTCOME = [name for name, _ in COLUMNS].index("outcome")
NOTES = {
    "rows": f"300 bytes; ten tenants, 1,000 actors, 100,000 targets, random ids; one of {FAILED_EACH} failed",
    "saved": "part of the time of writing, and of PostgreSQL's CPU time, that is saved without the index",
}

Bytes = Mapping[str, float]


async def by_index(servers: Servers, entries: int, rounds: int, most: int, say: Say) -> tuple[list[Round], Bytes]:
    """Rounds with each variant at 0 and at `most` rows, and the bytes that a row takes in each index at `most`."""
    measured: list[Round] = [{} for _ in range(rounds)]
    await servers.owner.execute("ALTER TABLE entries SET (autovacuum_enabled = false)")
    names = await secondary(servers)
    variants = [(ALL, []), (NONE, names), *((f"without {name}", [name]) for name in names)]
    sizes: Bytes = {}
    for rows in (0, most):
        if rows:
            await servers.empty_log()
            await fill(servers, rows, say)
            sizes = await bytes_a_row(servers, rows)
        say(f"warming up at {rows:,} rows")
        await run(servers, ALL, [], some_failed(rows, entries))
        for turn, each in enumerate(measured):
            begin = turn % len(variants)
            for variant, dropped in variants[begin:] + variants[:begin]:
                name = at(rows, variant)
                say(f"round {turn + 1}: {name}")
                if not rows:
                    await servers.empty_log()
                each[name] = await run(servers, name, dropped, some_failed(rows, entries))
    return measured, sizes


def at(rows: int, variant: str) -> str:
    return f"{rows:,} rows: {variant}"


def some_failed(begin: int, count: int) -> list[tuple[Any, ...]]:
    rows = generate_rows(begin, begin + count)
    return [
        row if number % FAILED_EACH else (*row[:OUTCOME], "failure", *row[OUTCOME + 1 :])
        for number, row in enumerate(rows)
    ]


async def secondary(servers: Servers) -> list[str]:
    found = await servers.owner.execute(
        "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'entries'::regclass AND NOT indisprimary"
        " ORDER BY 1"
    )
    return [name for (name,) in await found.fetchall()]


async def bytes_a_row(servers: Servers, rows: int) -> Bytes:
    found = await servers.owner.execute(
        "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index"
        " WHERE indrelid = 'entries'::regclass"
    )
    return {name: size / rows for name, size in await found.fetchall()}


async def run(servers: Servers, name: str, dropped: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Measurement:
    names = sql.SQL(", ").join(sql.Identifier(column) for column, _ in COLUMNS)
    statement = sql.SQL("COPY entries ({}) FROM STDIN (FORMAT BINARY)").format(names)
    await servers.settle()
    async with servers.owner.transaction(force_rollback=True), servers.owner.cursor() as cursor:
        for index in dropped:
            await cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
        async with measuring({"postgres": servers.pids["postgres"]}) as meter:
            begin = time.monotonic()
            async with cursor.copy(statement) as copy:
                copy.set_types([kind for _, kind in COLUMNS])
                for row in rows:
                    await copy.write_row(row)
            seconds = time.monotonic() - begin
    return Measurement(contestant=name, entries=len(rows), seconds=seconds, cpu_s=meter.cpu_s)


def tables(rounds: Sequence[Round], sizes: Bytes, most: int) -> str:
    """A table for each number of rows, with a row for each index; ratios are taken within a round."""
    return "\n".join(table(rounds, sizes, rows) for rows in (0, most))


def table(rounds: Sequence[Round], sizes: Bytes, rows: int) -> str:
    lines = []
    for variant in [NONE, *(f"without {name}" for name in sizes if at(0, f"without {name}") in rounds[0])]:
        name = variant.removeprefix("without ")
        bytes_a_row = f"{sizes[name]:.1f}" if name in sizes else ""
        savings = [format_spread(saving(rounds, rows, variant, value), 100) for value in (wall_s, postgres_cpu_s)]
        lines.append((name.removeprefix("entries_"), bytes_a_row, *savings))
    speed = format_spread(over(rounds, at(rows, ALL), rate))
    title = (
        f"{rows:,} rows: what is saved without each index, median of {len(rounds)} rounds (lowest–highest); "
        f"{speed} entries/s with {ALL}"
    )
    return format_table(title, ("", "bytes a row", "time %", "CPU %"), lines)


def saving(rounds: Sequence[Round], rows: int, variant: str, value: Callable[[Measurement], float]) -> Spread | None:
    return spread(1 - value(each[at(rows, variant)]) / value(each[at(rows, ALL)]) for each in rounds)


def wall_s(measured: Measurement) -> float:
    return measured.seconds


def postgres_cpu_s(measured: Measurement) -> float:
    return measured.cpu_s["postgres"]
