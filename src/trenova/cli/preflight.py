"""`trenova preflight`: the deployment checklist, each box ticked by doing it."""

from typing import Annotated

import typer

from trenova.cli import options
from trenova.cli.doctor_command import report
from trenova.config import DEFAULT_DATA_DIR


def preflight(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    backup_check: Annotated[
        str | None,
        typer.Option(
            callback=options.not_empty, help="A shell command of yours that ends with 0 when there is a good backup."
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Go through the checklist of a deployment to production: every box is ticked by doing it, on the real parts.

    Stores a few entries of the system's own tenant and runs a few workflows. Exit codes are those of trenova doctor.

    Example: trenova preflight --backup-check 'pgbackrest --stanza=main check'
    """
    from trenova.doctor.checks import PREFLIGHT  # noqa: PLC0415 - slow to import
    from trenova.doctor.context import read_options  # noqa: PLC0415

    report(PREFLIGHT, lambda: read_options(config, data_dir, api_url, api_key, backup_check), as_json=as_json)
