"""Findings for people, the cause first, then a line each and a second with the next step; and for programs."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from trenova.cli import screen
from trenova.doctor.causes import causes
from trenova.doctor.finding import Finding, State

STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red", State.UNCHECKED: "dim"}
WIDE_STATE, WIDE_CHECK = 12, 23


def show(findings: Sequence[Finding]) -> None:
    console = screen.console()
    for word, cause in zip(("cause: ", *["also: "] * len(findings)), causes(findings), strict=False):
        put(Text(word, STYLES[cause.state]) + screen.literal(cause.cause), cause.next_step)
    if causes(findings):
        console.print()
    for finding in findings:
        state = Text(f"{finding.state:<{WIDE_STATE}}", STYLES[finding.state])
        name = Text(f"{finding.check:<{WIDE_CHECK}} ", "default")
        put(state + name + screen.literal(finding.cause), finding.next_step)


def put(line: Text, next_step: str | None) -> None:
    console = screen.console()
    console.print(line, soft_wrap=True)
    if next_step:
        console.print(Text(" " * WIDE_STATE + "→ ", "default") + screen.literal(next_step), soft_wrap=True)


def as_data(findings: Sequence[Finding], code: int) -> dict[str, Any]:
    return {
        "exit_code": code,
        "causes": [finding.check for finding in causes(findings)],
        "findings": [
            {
                "check": finding.check,
                "kind": finding.kind.name.lower(),
                "state": finding.state.value,
                "cause": finding.cause,
                "next_step": finding.next_step,
                "follows_from": finding.follows_from,
            }
            for finding in findings
        ],
    }
