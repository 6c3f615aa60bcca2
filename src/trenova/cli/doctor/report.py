"""Findings for people, a line each and a second with the next step; and for programs."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from trenova.cli import screen
from trenova.cli.doctor.finding import Finding, State

STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red", State.UNCHECKED: "dim"}
WIDE_STATE, WIDE_CHECK = 12, 23


def show(finding: Finding) -> None:
    line = Text(f"{finding.state:<{WIDE_STATE}}", STYLES[finding.state])
    console = screen.console()
    console.print(
        line + Text(f"{finding.check:<{WIDE_CHECK}} ", "default") + screen.literal(finding.cause), soft_wrap=True
    )
    if finding.next_step:
        console.print(Text(" " * WIDE_STATE + "→ ", "default") + screen.literal(finding.next_step), soft_wrap=True)


def as_data(findings: Sequence[Finding], code: int) -> dict[str, Any]:
    return {
        "exit_code": code,
        "findings": [
            {
                "check": finding.check,
                "kind": finding.kind.name.lower(),
                "state": finding.state.value,
                "cause": finding.cause,
                "next_step": finding.next_step,
            }
            for finding in findings
        ],
    }
