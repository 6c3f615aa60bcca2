"""The command line of `make bench`: one subcommand for each measurement."""

import argparse
from collections.abc import Sequence
from pathlib import Path

COMPARE = "compare"
COMMANDS = {
    COMPARE: "Trenova beside the physical limits and the alternatives; the default",
    "scaling": "worker processes, request sizes and tenants",
    "filled": "bulk into tables that hold no, a million and ten million rows",
    "million": "only Trenova, a million entries in bulk: the peak memory",
    "trees": "what the Merkle trees cost an append",
    "indexes": "what each index costs when writing",
    "pollers": "what the worker's settings bring, with Temporal near and far",
}
DURATIONS = {
    COMPARE: "about a quarter of an hour; with --quick under three minutes",
    "scaling": "about a quarter of an hour",
    "filled": "about half an hour, most of it to fill the tables",
    "million": "about five minutes",
    "trees": "a minute",
    "indexes": "about ten minutes",
    "pollers": "about half an hour; --rounds 3 is enough",
}
ROUNDS, QUICK_ROUNDS = 5, 2
WITH_ENTRIES = {COMPARE, "scaling", "filled", "million", "indexes"}
WITH_QUICK = {COMPARE, "scaling", "filled", "indexes"}
WITH_ROWS = {"filled", "indexes"}
EXAMPLES = """\
examples:
  make bench                                         the comparison
  make bench ARGS=--quick                            a quick comparison: only to see that it works
  make bench ARGS="scaling"                          another measurement
  make bench ARGS="filled --rows 1000000"            smaller tables
  make bench ARGS="pollers --rounds 3 --out /tmp/p"  fewer rounds, results in another folder
  make bench ARGS="scaling --help"                   the options of one measurement

It starts its own PostgreSQL and Temporal in a temporary folder and stops them
again. Compare only figures of the same run."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed arguments, with `command`, and every option of any command (None or False if it has none)."""
    return make_parser().parse_args(with_command(arguments))


def with_command(arguments: Sequence[str]) -> list[str]:
    """The arguments with the default command in front, unless they name a command or ask for help."""
    first = arguments[0] if arguments else ""
    is_complete = first in {"-h", "--help"} or (first != "" and not first.startswith("-"))
    return list(arguments) if is_complete else [COMPARE, *arguments]


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure Trenova on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=f"Measure: {summary}. Takes {DURATIONS[name]}.", allow_abbrev=False
        )
        command.set_defaults(rounds=None, entries=None, quick=False, rows=None)
        if name != "million":
            rounds = f"default {ROUNDS}, with --quick {QUICK_ROUNDS}" if name in WITH_QUICK else f"default {ROUNDS}"
            command.add_argument("--rounds", type=positive, help=f"number of rounds ({rounds})")
        if name in WITH_ENTRIES:
            command.add_argument("--entries", type=positive, help="entries of a bulk run; other runs are in proportion")
        if name in WITH_QUICK:
            command.add_argument("--quick", action="store_true", help="few and small rounds")
        if name in WITH_ROWS:
            command.add_argument("--rows", type=positive, help="rows of the largest table")
        command.add_argument(
            "--out", type=Path, default=Path("benchmarks/results"), help="folder for the results (default %(default)s)"
        )
    return parser


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, is {number}")
    return number
