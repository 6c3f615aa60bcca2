"""Trenova beside the physical limits and beside what people would use instead, on this machine, in one run.

    python -m benchmarks.bench                # about a quarter of an hour: table, bench.json, bench.png, bench.svg
    python -m benchmarks.bench --quick        # a few minutes, two rounds: only to see that it works
    python -m benchmarks.bench --scaling      # workers, request sizes, tenants
    python -m benchmarks.bench --filled       # bulk into tables that hold none, a million and ten million rows
    python -m benchmarks.bench --million      # ours alone, a million entries in bulk: does memory stay small?
    python -m benchmarks.bench --indexes      # what each index costs on writing
    python -m benchmarks.bench --pollers      # what the worker's own settings bring, Temporal near and far

It starts its own PostgreSQL and Temporal in a temporary folder and stops them again. Contestants take turns in every
round, so that a machine that slows down slows them all; figures of different runs do not compare.
"""

import argparse
import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from benchmarks import indexes, picture, pollers, report, rounds, scaling, tree
from benchmarks.contestants import ours
from benchmarks.entries import mean_bytes
from benchmarks.rounds import Round, Sizes
from benchmarks.servers import own_folder, servers_running, trenova_running
from rich.console import Console

ROUNDS, QUICK_ROUNDS = 5, 2
QUICK_ENTRIES = 10_000
SCALING_ENTRIES = 20_000
MILLION = 1_000_000
# Far longer than a slow machine needs.
LIMIT_S, LONG_LIMIT_S = 3600, 4 * 3600

console = Console()


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, help=f"alternating rounds (default {ROUNDS}, quick {QUICK_ROUNDS})")
    parser.add_argument("--entries", type=int, help="entries of a bulk run; the other runs keep their proportion to it")
    parser.add_argument("--quick", action="store_true", help="few and small rounds")
    parser.add_argument("--scaling", action="store_true", help="measure scaling instead of the comparison")
    parser.add_argument("--filled", action="store_true", help="measure bulk into filled tables")
    parser.add_argument("--million", action="store_true", help="send a million entries of ours, for the peak memory")
    parser.add_argument("--trees", action="store_true", help="measure what the trees cost an append")
    parser.add_argument("--indexes", action="store_true", help="measure what each index costs on writing")
    parser.add_argument("--pollers", action="store_true", help="measure what the worker's own settings bring")
    parser.add_argument("--rows", type=int, help="with --filled or --indexes: the largest table")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for JSON and pictures")
    return parser.parse_args()


def main() -> None:
    asked = options()
    command = shlex.join(["make", "bench", *([f"ARGS={shlex.join(sys.argv[1:])}"] if sys.argv[1:] else [])])
    asked.out.mkdir(parents=True, exist_ok=True)
    busy = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    console.print(f"{command}: {busy}, {mean_bytes():,.0f} bytes an entry", highlight=False)
    number = asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS)
    asked_for = {
        asked.scaling: scale,
        asked.filled: fill,
        asked.indexes: cost_of_indexes,
        asked.million: million,
        asked.trees: cost_of_trees,
        asked.pollers: settings_of_worker,
    }
    measure = asked_for.get(True, compare)
    long = asked.scaling or asked.filled or asked.pollers
    asyncio.run(bounded(measure(asked, number, command), LONG_LIMIT_S if long else LIMIT_S))


async def bounded(work: Coroutine[Any, Any, None], limit_s: float) -> None:
    """Stops what it has started also when it is told to end, or when it takes far too long."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with asyncio.timeout(limit_s):
        await task


async def compare(asked: argparse.Namespace, number: int, command: str) -> None:
    sizes = Sizes()
    if asked.entries or asked.quick:
        sizes = sizes.with_entries(asked.entries or QUICK_ENTRIES)
    done: list[Round] = []
    say = Progress()
    with own_folder() as folder:
        say("starting PostgreSQL, Temporal, API and worker")
        async with servers_running(folder) as servers, trenova_running(servers) as trenova:
            await ours.warm_up(trenova)
            for each in range(1, number + 1):
                say.prefix = f"round {each} of {number}: "
                done.append(await rounds.one_round(servers, trenova, sizes, say))
    found = report.verdicts(done)
    report.show(console, done, found, rounds.NOTES)
    report.write_json(asked.out / "bench.json", report.document(command, done, found, rounds.NOTES))
    picture.draw(asked.out, done, command)
    console.print(f"written to {asked.out}: bench.json, bench.png, bench.svg")


async def million(asked: argparse.Namespace, _number: int, command: str) -> None:
    say = Progress()
    with own_folder() as folder:
        async with servers_running(folder) as servers, trenova_running(servers) as trenova:
            await ours.warm_up(trenova)
            say("sending")
            done = [{rounds.BULK: await ours.run(trenova, rounds.BULK, [scaling.bulk(asked.entries or MILLION)])}]
    found = report.memory_verdicts(done)
    report.show(console, done, found, rounds.NOTES)
    report.write_json(asked.out / "million.json", report.document(command, done, found, rounds.NOTES))
    console.print(f"written to {asked.out}: million.json")


async def cost_of_trees(asked: argparse.Namespace, number: int, command: str) -> None:
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            done, taken = await tree.by_batch(servers, number, Progress())
    found = [
        report.Verdict(target=f"appends of {entries:,} with trees / without", at_least=0.85, value=value)
        for entries, value in tree.ratios(done).items()
    ]
    found.append(report.Verdict(target="bytes an entry that the trees take", at_most=120, value=taken))
    report.show(console, done, found, tree.NOTES)
    report.write_json(asked.out / "trees.json", report.document(command, done, found, tree.NOTES))
    console.print(f"written to {asked.out}: trees.json")


async def scale(asked: argparse.Namespace, number: int, command: str) -> None:
    entries = asked.entries or (QUICK_ENTRIES if asked.quick else SCALING_ENTRIES)
    say = Progress()
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            series: list[Sequence[Round]] = [
                await scaling.by_workers(servers, entries, number, say),
                await scaling.by_request_and_tenants(servers, entries, number, say),
            ]
    merged = [{name: measured for part in series for name, measured in part[each].items()} for each in range(number)]
    report.show(console, merged, [], scaling.NOTES)
    report.write_json(asked.out / "scaling.json", report.document(command, merged, [], scaling.NOTES))
    console.print(f"written to {asked.out}: scaling.json")


async def fill(asked: argparse.Namespace, number: int, command: str) -> None:
    entries = asked.entries or (QUICK_ENTRIES if asked.quick else SCALING_ENTRIES)
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            done = await scaling.by_rows(servers, entries, number, asked.rows or scaling.MOST_ROWS, Progress())
    found = [report.rows_verdict(done)]
    report.show(console, done, found, scaling.NOTES)
    report.write_json(asked.out / "filled.json", report.document(command, done, found, scaling.NOTES))
    console.print(f"written to {asked.out}: filled.json")


async def cost_of_indexes(asked: argparse.Namespace, number: int, command: str) -> None:
    entries = asked.entries or (QUICK_ENTRIES if asked.quick else SCALING_ENTRIES)
    most = asked.rows or indexes.MOST_ROWS
    say = Progress()
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            done, sizes = await indexes.by_index(servers, entries, number, most, say)
    console.print(indexes.table(done, sizes, most))
    document = report.document(command, done, [], indexes.NOTES) | {"index_bytes_a_row": sizes}
    report.write_json(asked.out / "indexes.json", document)
    console.print(f"written to {asked.out}: indexes.json")


async def settings_of_worker(asked: argparse.Namespace, number: int, command: str) -> None:
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            done = await pollers.by_settings(servers, number, Progress())
    console.print(pollers.table(done))
    for name, note in pollers.NOTES.items():
        console.print(f"[bold]{name}[/]: {note}", highlight=False)
    report.write_json(asked.out / "pollers.json", report.document(command, done, [], pollers.NOTES))
    console.print(f"written to {asked.out}: pollers.json")


class Progress:
    """A line for each step, with the minutes since the start."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.prefix = ""

    def __call__(self, step: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.begin), 60)
        console.print(f"[dim]{minutes:02}:{seconds:02}[/] {self.prefix}{step}", highlight=False)


if __name__ == "__main__":
    main()
