"""`trenova doctor`: what is wrong, why, and what to do next."""

import sys
from typing import TYPE_CHECKING

import typer

from trenova.cli import data_folder, json_output, options
from trenova.config import DEFAULT_DATA_DIR
from trenova.errors import InvalidConfiguration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trenova.doctor.checkup import Check
    from trenova.doctor.context import DoctorOptions
    from trenova.doctor.finding import Finding


def doctor(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    as_json: options.Json = False,
) -> None:
    """Look at the whole installation and name what is wrong, why, and what to do next. Changes nothing.

    The first line is the cause to mend first. Exit code 0: all well; 3: warnings only; else the kind of that cause: 10
    configuration, 11 this machine, 12 Temporal, 13 database, 14 encryption keys, 15 workers, 16 API, 17 logs.

    Example: trenova doctor --api-url https://audit.example.com
    """
    from trenova.doctor.checks import DOCTOR  # noqa: PLC0415 - slow to import
    from trenova.doctor.context import read_options  # noqa: PLC0415

    report(DOCTOR, lambda: read_options(config, data_dir, api_url, api_key), as_json=as_json)


def report(checks: "Sequence[Check]", read: "Callable[[], DoctorOptions]", *, as_json: bool) -> None:
    """Ask all checks, show what they find, and end with its exit code. `read` may raise InvalidConfiguration."""
    from trenova.cli import event_loop  # noqa: PLC0415 - slow to import
    from trenova.cli.doctor_report import as_data, show  # noqa: PLC0415
    from trenova.doctor.causes import exit_code  # noqa: PLC0415

    # What comes first is known when the last check has answered.
    findings = event_loop.run(look(checks, read))
    code = exit_code(findings)
    if as_json:
        print(json_output.plain_json(as_data(findings, code)))
    else:
        show(findings)
        if first := data_folder.advice(sys.argv, " ".join(finding.next_step or "" for finding in findings)):
            print(f"\n{first}")
    if code:
        raise typer.Exit(code)


async def look(checks: "Sequence[Check]", read: "Callable[[], DoctorOptions]") -> "list[Finding]":
    from trenova.doctor import checkup  # noqa: PLC0415 - slow to import
    from trenova.doctor.context import CheckContext  # noqa: PLC0415

    try:
        async with CheckContext.open(read()) as context:
            return await checkup.run_checks(checks, context)
    except InvalidConfiguration as error:
        return checkup.findings_without_settings(checks, error)
