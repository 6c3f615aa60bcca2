"""Findings as text, the causes first, then each finding with its next step; and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from trenova.cli.terminal import screen
from trenova.doctor.causes import causes
from trenova.doctor.finding import Finding, State

STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "bold red", State.UNCHECKED: "dim"}
STATE_WIDTH, CHECK_WIDTH = 12, 23


def print_findings(findings: Sequence[Finding]) -> None:
    console = screen.stdout_console()
    for label, cause in zip(("cause: ", *["also: "] * len(findings)), causes(findings), strict=False):
        print_finding(Text(label, STYLES[cause.state]) + screen.literal(cause.cause), cause.next_step)
    if causes(findings):
        console.print()
    for finding in findings:
        state = Text(f"{finding.state:<{STATE_WIDTH}}", STYLES[finding.state])
        check = Text(f"{finding.check:<{CHECK_WIDTH}} ", "default")
        print_finding(state + check + screen.literal(finding.cause), finding.next_step)


def print_finding(line: Text, next_step: str | None) -> None:
    console = screen.stdout_console()
    console.print(line, soft_wrap=True)
    if next_step:
        console.print(Text(" " * STATE_WIDTH + "→ ", "default") + screen.literal(next_step), soft_wrap=True)


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
