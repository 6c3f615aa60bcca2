"""The fault test: kill, stop, cut and starve every part under load, then prove that nothing was lost or doubled.

    python -m chaos.run                                                    # a few minutes
    python -m chaos.run --minutes 20 --faults 200 --entries 1000000 --storage

It starts its own PostgreSQL, Temporal, API server and worker in a temporary folder and stops them again. Exit code
0: nothing lost, doubled, changed or unprovable. `--seed` gives the same faults, targets and pauses in the same order;
what each of them hits depends on the machine.
"""

import argparse
import asyncio
import os
import random
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.table import Table

from chaos import plan, report, syscalls
from chaos.conduct import Run, RunPlan, background
from chaos.judge import Outcome, judge
from chaos.load import Load
from chaos.rig import Rig, new_folder, rig_running
from chaos.watch import Watch
from chaos.writers import Job
from trenova.errors import TrenovaError

MINUTES, FAULTS, ENTRIES, TENANTS = 4.0, 40, 100_000, 5
LARGEST_SEED = 1_000_000
# Sent faster than asked, so that a run that loses time to its faults still reaches its entries.
AHEAD = 1.2

console = Console()
Result = TypeVar("Result")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help=f"minutes of load and faults (default {MINUTES:.0f})"
    )
    parser.add_argument("--faults", type=int, default=FAULTS, help=f"number of faults (default {FAULTS})")
    parser.add_argument(
        "--entries", type=int, default=ENTRIES, help=f"entries to acknowledge, at least (default {ENTRIES})"
    )
    parser.add_argument("--seed", type=int, help="seed of the schedule, to repeat one (default: a new one)")
    parser.add_argument("--storage", action="store_true", help="PostgreSQL's system calls fail too (needs strace)")
    parser.add_argument(
        "--outage",
        type=float,
        metavar="SECONDS",
        help="shut PostgreSQL down once for this long, and inject nothing else",
    )
    parser.add_argument("--report", type=Path, help="Markdown file for the report; JSON goes next to it")
    return parser.parse_args()


def main() -> int:
    arguments = options()
    command = command_of(sys.argv[1:])
    seed = random.randrange(LARGEST_SEED) if arguments.seed is None else arguments.seed
    schedule = plan.faults(seed, arguments.faults, plan.DECK + (plan.STORAGE_DECK if arguments.storage else ()))
    run_plan = RunPlan(seed=seed, schedule=schedule, entries=arguments.entries, seconds=arguments.minutes * 60)
    if arguments.outage is not None:
        run_plan = RunPlan(
            seed=seed, schedule=(plan.outage(arguments.outage),), entries=arguments.entries, seconds=None
        )
    try:
        if arguments.storage:
            syscalls.require()
        load_before = os.getloadavg()[0]
        print_line(f"{command}: seed {seed}, load average {load_before:.1f} on {os.cpu_count()} cores")
        outcome = asyncio.run(
            interruptible(run_from_scratch(run_plan, rate=AHEAD * arguments.entries / (arguments.minutes * 60)))
        )
    except TrenovaError as error:
        for note in getattr(error, "__notes__", ()):
            print(note, file=sys.stderr)
        print(f"error: {error.message}", file=sys.stderr)
        print(f"hint: {error.hint or f'run it again with --seed {seed}'}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("Stopped.", file=sys.stderr)
        return 130
    show(run_plan, outcome)
    if arguments.report:
        arguments.report.write_text(report.markdown(command, run_plan, outcome, machine(load_before)), encoding="utf-8")
        arguments.report.with_suffix(".json").write_bytes(
            msgspec.json.format(msgspec.json.encode(report.document(command, run_plan, outcome)))
        )
    return 0 if outcome.holds else 1


def command_of(argv: Sequence[str]) -> str:
    """The command that repeats this run, without the option for the report."""
    kept = [word for at, word in enumerate(argv) if "--report" not in argv[max(0, at - 1) : at + 1]]
    return f'make chaos ARGS="{shlex.join(kept)}"' if kept else "make chaos"


def machine(load_before: float) -> str:
    return (
        f"On a machine with {os.cpu_count()} cores, with a load average of {load_before:.1f} before it "
        f"and {os.getloadavg()[0]:.1f} at its end:"
    )


async def run_from_scratch(run_plan: RunPlan, *, rate: float) -> Outcome:
    """A run from an empty folder to its outcome. The folder stays if it ends badly."""
    folder, keep = new_folder(), True
    try:
        print_line(f"starting everything in {folder}")
        async with rig_running(folder) as rig:
            outcome = await run_in(rig, run_plan, rate)
        keep = not outcome.holds
    except asyncio.CancelledError:
        keep = False
        raise
    finally:
        if keep:
            print_line(f"the logs stay in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return outcome


async def run_in(rig: Rig, run_plan: RunPlan, rate: float) -> Outcome:
    job = Job(
        url=rig.url,
        api_key=rig.api_key,
        run=run_plan.seed,
        tenants=TENANTS,
        rate=rate,
        journal=str(rig.folder / "journal"),
        receipts=str(rig.folder / "receipts"),
    )
    run = Run(rig, Load(job, rig.folder / "writers.log"), run_plan, print_line)
    watch = Watch(rig.url, rig.api_key, run.load.tenants)
    async with background(watch.run()):
        await run.until_calm()
    return await judge(
        run, {tenant: list(each) for tenant, each in watch.seen.items()}, time.monotonic() - run.began, print_line
    )


async def interruptible(work: Coroutine[Any, Any, Result]) -> Result:
    """Run the work; SIGTERM cancels it, so that it stops what it has started."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def print_line(what: str) -> None:
    console.print(f"{time.strftime('%H:%M:%S')} {what}", highlight=False, soft_wrap=True)


def show(run_plan: RunPlan, outcome: Outcome) -> None:
    table = Table("fault", "times", "ack’d s", "p99", "max", "stored s", "p99", "max")
    for row in report.rows(outcome):
        table.add_row(*row)
    console.print(table)
    for name, count in report.counts(outcome).items():
        console.print(f"{count:>12,} {name}", highlight=False)
    console.print(report.describe_waits(outcome), highlight=False)
    for line in (*report.slow(outcome), *outcome.deaths, *outcome.checked.findings.examples):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    verdict = "holds: nothing lost, doubled, changed or unprovable" if outcome.holds else "DOES NOT HOLD"
    console.print(f"{verdict} (seed {run_plan.seed})", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
