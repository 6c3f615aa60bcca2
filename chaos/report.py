"""The outcome of a run, for the screen, as JSON and as Markdown."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from chaos import recovery
from chaos.conduct import RunPlan
from chaos.judge import Outcome
from chaos.recovery import LIMIT_S, Times
from trenova.errors import InvalidRequest

TITLE, NEXT = "## A run", "\n## "
COLUMNS = ("fault", "times", "acknowledged after s: median", "p99", "max", "stored after s: median", "p99", "max")


def rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    """A row for each kind of fault and target, and one for all."""
    named = recovery.by_name(outcome.recoveries)
    for name, (count, acknowledged, stored) in named.items():
        yield (name, str(count), *time_cells(acknowledged), *time_cells(stored))
    every = outcome.recoveries
    yield (
        "all",
        str(len(every)),
        *time_cells(recovery.times([each.acknowledged_s for each in every])),
        *time_cells(recovery.times([each.stored_s for each in every])),
    )


def time_cells(times: Times | None) -> tuple[str, str, str]:
    return ("–", "–", "–") if times is None else (f"{times.median:.1f}", f"{times.p99:.1f}", f"{times.worst:.1f}")


def counts(outcome: Outcome) -> dict[str, int]:
    checked = outcome.checked
    return {
        "faults": len(outcome.recoveries),
        "system calls that failed": sum(each.injected.calls for each in outcome.recoveries),
        "entries sent": checked.sent,
        "entries acknowledged": checked.acknowledged,
        "entries accepted without PostgreSQL": sum(each.injected.accepted for each in outcome.recoveries),
        "entries stored": checked.stored,
        "lost": checked.findings.count("lost"),
        "doubled": checked.findings.count("doubled"),
        "other findings": sum(checked.findings.counts.values())
        - checked.findings.count("lost")
        - checked.findings.count("doubled"),
        "entries verified in trees": checked.verified,
        "checkpoints kept and proved": checked.checkpoints,
        "receipts checked": checked.receipts,
        "attempts without an acknowledgement": outcome.retries,
        f"recoveries over {LIMIT_S:.0f} s": len(recovery.over_limit(outcome.recoveries)),
        "faults that struck before the recovery from the previous one": sum(
            each.acknowledged_s is None or each.stored_s is None for each in outcome.recoveries
        ),
        "parts that exited on their own": len(outcome.deaths) - outcome.given_up,
        "parts that ran but were stuck": outcome.given_up,
    }


def markdown(command: str, run_plan: RunPlan, outcome: Outcome, machine: str) -> str:
    """A section of the documentation, and after it what a reader of this one run may want to know."""
    named = [("Findings", outcome.checked.findings.examples), ("Parts that were started again", outcome.deaths)]
    lines = [section(command, run_plan, outcome, machine)]
    for title, said in named:
        if said:
            lines += [f"## {title}", "", *(f"- {each}" for each in said), ""]
    return "\n".join(lines)


def section(command: str, run_plan: RunPlan, outcome: Outcome, machine: str) -> str:
    verdict = "nothing was lost, doubled or changed" if outcome.holds else "**FAILED**"
    lines = [
        TITLE,
        "",
        f"{machine}",
        "",
        f"`{command}`, seed {run_plan.seed}, {outcome.seconds:.0f} s of load and faults: {verdict}.",
        "",
        "| | |",
        "|---|---:|",
        *(f"| {name} | {count:,} |" for name, count in counts(outcome).items()),
        "",
        f"{describe_waits(outcome)} A time to recover goes from the moment when everything is available and ready.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|---{'|---:' * (len(COLUMNS) - 1)}|",
        *(f"| {' | '.join(row)} |" for row in rows(outcome)),
        "",
    ]
    if late := list(slow(outcome)):
        lines += [f"Recoveries over {LIMIT_S:.0f} s:", "", *(f"- {each}" for each in late), ""]
    return "\n".join(lines)


def replace_section(page: str, report: str) -> str:
    """The page with this report's run in place of the one that it has. A page has one, and ends with it."""
    before, found, _ = page.partition(f"{TITLE}\n")
    _, title, run = report.partition(f"{TITLE}\n")
    if not found or not title:
        raise InvalidRequest(f"there is no section {TITLE!r}", hint="give a report of make chaos, and a page with one")
    return f"{before}{TITLE}\n{run.partition(NEXT)[0].rstrip()}\n"


def describe_waits(outcome: Outcome) -> str:
    times = outcome.waits
    if times is None:
        return "Nothing was stored."
    return (
        f"From accepted to stored it took {times.median:.1f} s (median), {times.p99:.1f} s (p99), "
        f"{times.worst:.1f} s at the most, faults included."
    )


def slow(outcome: Outcome) -> Iterator[str]:
    for each in recovery.over_limit(outcome.recoveries):
        fault = each.injected.fault
        yield (
            f"fault {fault.number}, {fault.name} for {fault.hold_s:.1f} s: acknowledged after "
            f"{seconds(each.acknowledged_s)}, stored after {seconds(each.stored_s)}"
        )


def seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"


def document(command: str, run_plan: RunPlan, outcome: Outcome) -> dict[str, Any]:
    """Everything, with the single recoveries."""
    return {
        "command": command,
        "seed": run_plan.seed,
        "holds": outcome.holds,
        "seconds": outcome.seconds,
        "counts": counts(outcome),
        "accepted to stored": None if outcome.waits is None else asdict(outcome.waits),
        "findings": {"counts": outcome.checked.findings.counts, "examples": outcome.checked.findings.examples},
        "deaths": list(outcome.deaths),
        "faults": [asdict(each) for each in outcome.recoveries],
    }
