"""`trenova preflight`: the checklist of a deployment, every item checked by doing it."""

from typing import Annotated

import typer

from trenova.cli import options
from trenova.cli.doctor import report_checks


def preflight(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    api_url: options.ApiUrl = None,
    api_key: options.ApiKeyText = None,
    backup_check: Annotated[
        str | None,
        typer.Option(
            callback=options.check_not_blank,
            help="A shell command that exits with 0 if there is a good backup.",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Run the production checklist.

    Every item is checked by doing it, on the real parts.

    Stores a few entries of the system's own tenant and runs a few workflows. Exit codes are those of trenova doctor.

    Example: trenova preflight --backup-check 'pgbackrest --stanza=main check'
    """
    from trenova.doctor.checks import PREFLIGHT
    from trenova.doctor.context import read_options

    report_checks(PREFLIGHT, lambda: read_options(config, data_dir, api_url, api_key, backup_check), as_json=as_json)
