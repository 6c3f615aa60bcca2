"""How long the command line takes to start: wall and processor time of commands that do nothing else.

Run: python benchmarks/start.py [rounds]

Each round runs every command once, so that a machine that slows down slows all of them. `python` is the floor of every
program, `import typer` that of ours: what is above the two is what we import. Processor time is user and system time of
the process; it hardly depends on what else the machine does, and the wall time does.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 10
TRENOVA = str(Path(sys.executable).with_name("trenova"))
COMMANDS: dict[str, list[str]] = {
    "python": [sys.executable, "-c", ""],
    "import typer": [sys.executable, "-c", "import typer"],
    "trenova --version": [TRENOVA, "--version"],
    "trenova --help": [TRENOVA, "--help"],
    "trenova entries --help": [TRENOVA, "entries", "--help"],
}


def measure_start(command: list[str]) -> tuple[float, float]:
    """Milliseconds of wall and of processor time of one run."""
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} exited with {process.returncode}")
    return wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            times[name].append(measure_start(command))
    print(f"start of the command line, {rounds} rounds      wall ms: min  median    CPU ms: min  median")
    for name, measured in times.items():
        wall, cpu = zip(*measured, strict=True)
        print(
            f"{name:<42} {min(wall):8.0f} {statistics.median(wall):7.0f} {min(cpu):14.0f} {statistics.median(cpu):7.0f}"
        )


if __name__ == "__main__":
    main()
