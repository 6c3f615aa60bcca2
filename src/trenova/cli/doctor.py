"""`trenova doctor`: what is wrong, why, and what to do next."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from trenova.cli import data_folder_hint, options
from trenova.cli.terminal import json_output
from trenova.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trenova.doctor.checkup import Check
    from trenova.doctor.context import DoctorOptions
    from trenova.doctor.finding import Finding


def doctor(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    as_json: options.Json = False,
) -> None:
    """Report what is wrong here, why, and what to do next.

    Checks every part of the installation and changes nothing.

    The first line is the cause to fix first. Exit code 0: no problem; 3: warnings only; else the kind of that cause:
    10 configuration, 11 this machine, 12 Temporal, 13 database, 14 encryption keys, 15 workers, 16 API, 17 ledgers.

    Example: trenova doctor --api-url https://audit.example.com
    """
    from trenova.doctor.checks import DOCTOR
    from trenova.doctor.context import read_options

    report_checks(DOCTOR, lambda: read_options(config, data_dir, api_url, api_key), as_json=as_json)


def report_checks(checks: Sequence[Check], read_options: Callable[[], DoctorOptions], *, as_json: bool) -> None:
    """Run all checks, print their findings, and exit with their code. `read_options` may raise InvalidConfiguration."""
    from trenova.cli.doctor_report import as_data, print_findings
    from trenova.doctor.causes import exit_code
    from trenova.runtime import event_loop

    # Nothing is printed before: the cause, which comes first, is known when the last check has run.
    findings = event_loop.run(run_checks(checks, read_options))
    code = exit_code(findings)
    if as_json:
        print(json_output.to_json(as_data(findings, code)))
    else:
        print_findings(findings)
        next_steps = " ".join(finding.next_step or "" for finding in findings)
        if advice := data_folder_hint.export_hint(sys.argv, next_steps):
            print(f"\n{advice}")
    if code:
        raise typer.Exit(code)


async def run_checks(checks: Sequence[Check], read_options: Callable[[], DoctorOptions]) -> list[Finding]:
    from trenova.doctor import checkup
    from trenova.doctor.context import CheckContext

    try:
        async with CheckContext.open(read_options()) as context:
            return await checkup.run_checks(checks, context)
    except InvalidConfiguration as error:
        return checkup.findings_without_settings(checks, error)
