"""`trenova verify-encryption`: whether payloads are really encrypted."""

import typer

from trenova.cli import settings
from trenova.config import DEFAULT_DATA_DIR


def verify_encryption(
    config: settings.ConfigFile = None, data_dir: settings.DataDir = DEFAULT_DATA_DIR, as_json: settings.Json = False
) -> None:
    """Prove that payloads are encrypted: run a workflow and look at its raw history.

    Exit code 1 when any payload is plain, under another key, does not decode, or is not smaller than the plain text.

    Example: TEMPORAL_ENCRYPTION_KEY=… trenova verify-encryption --config config/config.yaml
    """
    from trenova.cli import bridge, encryption_check  # noqa: PLC0415 - slow to import

    finding = bridge.run(encryption_check.verify(settings.load(config, data_dir)))
    if as_json:
        print(settings.plain_json(finding))
    else:
        encryption_check.show(finding)
    if finding.problems:
        raise typer.Exit(1)
