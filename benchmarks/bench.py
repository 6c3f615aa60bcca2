"""Trenova beside the physical limits and beside the alternatives, on this machine, in one run.

`make bench` runs this; `make bench ARGS=--help` lists the measurements. It starts its own PostgreSQL and Temporal in a
temporary folder and stops them again. Contestants take turns in every round, so that a machine that slows down slows
all of them; compare only figures of the same run.
"""

import argparse
import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from benchmarks import arguments, indexes, picture, pollers, report, rounds, scaling, tree
from benchmarks.contestants import ours
from benchmarks.entries import mean_bytes
from benchmarks.rounds import Round, Sizes
from benchmarks.servers import own_folder, servers_running, trenova_running
from benchmarks.text_table import format_notes

QUICK_ENTRIES = 10_000
SCALING_ENTRIES = 20_000
MILLION = 1_000_000
# Far longer than a slow machine needs.
LIMIT_S, LONG_LIMIT_S = 3600, 4 * 3600
LONG_COMMANDS = {"scaling", "filled", "pollers"}

Measure = Callable[[argparse.Namespace, int, str], Coroutine[Any, Any, None]]


def main() -> None:
    options = arguments.parse(sys.argv[1:])
    command = shlex.join(["make", "bench", *([f"ARGS={shlex.join(sys.argv[1:])}"] if sys.argv[1:] else [])])
    options.out.mkdir(parents=True, exist_ok=True)
    print(command)
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {mean_bytes():,.0f} bytes an entry")
    number = options.rounds or (arguments.QUICK_ROUNDS if options.quick else arguments.ROUNDS)
    measurements: dict[str, Measure] = {
        arguments.COMPARE: compare,
        "scaling": scale,
        "filled": fill,
        "million": measure_million,
        "trees": measure_trees,
        "indexes": measure_indexes,
        "pollers": measure_pollers,
    }
    limit_s = LONG_LIMIT_S if options.command in LONG_COMMANDS else LIMIT_S
    asyncio.run(run_bounded(measurements[options.command](options, number, command), limit_s))


async def run_bounded(work: Coroutine[Any, Any, None], limit_s: float) -> None:
    """Run the work; on SIGTERM or after `limit_s`, cancel it, which stops everything that it has started."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with asyncio.timeout(limit_s):
        await task


async def compare(options: argparse.Namespace, number: int, command: str) -> None:
    sizes = Sizes()
    if options.entries or options.quick:
        sizes = sizes.with_entries(options.entries or QUICK_ENTRIES)
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
    report.print_report(done, found, rounds.NOTES)
    report.write_json(options.out / "bench.json", report.document(command, done, found, rounds.NOTES))
    picture.draw(options.out, done, command)
    print(f"written to {options.out}: bench.json, bench.png, bench.svg")


async def measure_million(options: argparse.Namespace, _number: int, command: str) -> None:
    say = Progress()
    with own_folder() as folder:
        async with servers_running(folder) as servers, trenova_running(servers) as trenova:
            await ours.warm_up(trenova)
            say("sending")
            done = [{rounds.BULK: await ours.run(trenova, rounds.BULK, [scaling.bulk(options.entries or MILLION)])}]
    found = report.memory_verdicts(done)
    report.print_report(done, found, rounds.NOTES)
    report.write_json(options.out / "million.json", report.document(command, done, found, rounds.NOTES))
    print(f"written to {options.out}: million.json")


async def measure_trees(options: argparse.Namespace, number: int, command: str) -> None:
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            done, bytes_an_entry = await tree.by_batch(servers, number, Progress())
    found = [
        report.Verdict(target=f"appends of {entries:,} with trees / without", at_least=0.85, value=value)
        for entries, value in tree.ratios(done).items()
    ]
    found.append(report.Verdict(target="bytes an entry that the trees take", at_most=120, value=bytes_an_entry))
    report.print_report(done, found, tree.NOTES)
    report.write_json(options.out / "trees.json", report.document(command, done, found, tree.NOTES))
    print(f"written to {options.out}: trees.json")


async def scale(options: argparse.Namespace, number: int, command: str) -> None:
    entries = options.entries or (QUICK_ENTRIES if options.quick else SCALING_ENTRIES)
    say = Progress()
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            series: list[Sequence[Round]] = [
                await scaling.by_workers(servers, entries, number, say),
                await scaling.by_request_and_tenants(servers, entries, number, say),
            ]
    merged = [{name: measured for part in series for name, measured in part[each].items()} for each in range(number)]
    report.print_report(merged, [], scaling.NOTES)
    report.write_json(options.out / "scaling.json", report.document(command, merged, [], scaling.NOTES))
    print(f"written to {options.out}: scaling.json")


async def fill(options: argparse.Namespace, number: int, command: str) -> None:
    entries = options.entries or (QUICK_ENTRIES if options.quick else SCALING_ENTRIES)
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            done = await scaling.by_rows(servers, entries, number, options.rows or scaling.MOST_ROWS, Progress())
    found = [report.rows_verdict(done)]
    report.print_report(done, found, scaling.NOTES)
    report.write_json(options.out / "filled.json", report.document(command, done, found, scaling.NOTES))
    print(f"written to {options.out}: filled.json")


async def measure_indexes(options: argparse.Namespace, number: int, command: str) -> None:
    entries = options.entries or (QUICK_ENTRIES if options.quick else SCALING_ENTRIES)
    most = options.rows or indexes.MOST_ROWS
    say = Progress()
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            done, sizes = await indexes.by_index(servers, entries, number, most, say)
    print(indexes.tables(done, sizes, most))
    document = report.document(command, done, [], indexes.NOTES) | {"index_bytes_a_row": sizes}
    report.write_json(options.out / "indexes.json", document)
    print(f"written to {options.out}: indexes.json")


async def measure_pollers(options: argparse.Namespace, number: int, command: str) -> None:
    with own_folder() as folder:
        async with servers_running(folder) as servers:
            done = await pollers.by_settings(servers, number, Progress())
    print(pollers.tables(done))
    print(format_notes(list(pollers.NOTES.items())))
    report.write_json(options.out / "pollers.json", report.document(command, done, [], pollers.NOTES))
    print(f"written to {options.out}: pollers.json")


class Progress:
    """Prints a line for each step, with the time since the start."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.prefix = ""

    def __call__(self, step: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self.begin), 60)
        print(f"{minutes:02}:{seconds:02} {self.prefix}{step}", flush=True)


if __name__ == "__main__":
    main()
