"""`trenova verify-encryption`: whether payloads are really encrypted."""

import typer

from trenova.cli import json_output, options
from trenova.config import DEFAULT_DATA_DIR
from trenova.runtime.installation.settings import load_settings


def verify_encryption(
    config: options.ConfigFile = None, data_dir: options.DataDir = DEFAULT_DATA_DIR, as_json: options.Json = False
) -> None:
    """Prove that payloads are encrypted: run a workflow and look at its raw history.

    Exit code 1 when any payload is plain, under another key, does not decode, or is not smaller than the plain text.

    Example: TEMPORAL_ENCRYPTION_KEY=… trenova verify-encryption --config config/config.yaml
    """
    from trenova.cli import event_loop  # noqa: PLC0415 - slow to import
    from trenova.doctor import encryption_check  # noqa: PLC0415 - slow to import

    finding = event_loop.run(encryption_check.verify(load_settings(config, data_dir)))
    if as_json:
        print(json_output.plain_json(finding))
    else:
        encryption_check.show(finding)
    if finding.problems:
        raise typer.Exit(1)
