"""`trenova verify-encryption`: whether payloads are really encrypted."""

import typer

from trenova.cli import options
from trenova.cli.terminal import json_output


def verify_encryption(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Prove that payloads are encrypted: run a workflow and inspect its raw history.

    Exit code 1 if any payload is plain, is under another key, does not decode, or is not smaller than the plain text.

    Example: TEMPORAL_ENCRYPTION_KEY=… trenova verify-encryption --config config/config.yaml
    """
    from trenova.doctor import encryption_check
    from trenova.runtime import event_loop
    from trenova.runtime.installation.settings import load_settings

    finding = event_loop.run(encryption_check.verify(load_settings(config, data_dir)))
    if as_json:
        print(json_output.to_json(finding))
    else:
        encryption_check.show(finding)
    if finding.problems:
        raise typer.Exit(1)
