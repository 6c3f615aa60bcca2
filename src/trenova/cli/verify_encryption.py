"""`trenova verify-encryption`: whether payloads are really encrypted."""

from typing import TYPE_CHECKING

import typer

from trenova.cli import options
from trenova.cli.terminal import json_output

if TYPE_CHECKING:
    from trenova.doctor.encryption_check import EncryptionReport


def verify_encryption(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Prove that payloads in Temporal are encrypted.

    Runs a workflow and inspects its raw history.

    Exit code 1 if any payload is in plain text, encrypted with another key, or cannot be decoded, or if the payloads
    are not compressed.

    Example: TEMPORAL_ENCRYPTION_KEY=… trenova verify-encryption --config config/config.yaml
    """
    from trenova.doctor import encryption_check
    from trenova.runtime import event_loop
    from trenova.runtime.installation.settings import load_settings

    report = event_loop.run(encryption_check.verify(load_settings(config, data_dir)))
    if as_json:
        print(json_output.to_json(report))
    else:
        show_report(report)
    if report.problems:
        raise typer.Exit(1)


def show_report(report: "EncryptionReport") -> None:
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False)
    share = report.stored_bytes / max(report.plain_bytes, 1)
    console.print(f"workflow   {report.workflow_id}")
    console.print(f"payloads   {report.payloads}, of which {report.encrypted} encrypted")
    console.print(f"key        {', '.join(report.key_ids) or '(none)'}")
    console.print(f"size       {report.stored_bytes:,} bytes for {report.plain_bytes:,} in plain text ({share:.0%})")
    for problem in report.problems:
        console.print(f"problem    {problem}", style="red", markup=False)
    console.print("encryption NOT verified" if report.problems else "encryption verified")
