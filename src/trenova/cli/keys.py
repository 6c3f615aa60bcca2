"""`trenova keys`: the keys that encrypt what passes through Temporal, and those that sign the logs."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from trenova.cli import json_output, options
from trenova.config import DEFAULT_DATA_DIR
from trenova.runtime.installation.settings import load_settings

app = typer.Typer(
    help="Make keys, and see which encryption keys are needed.",
    no_args_is_help=True,
    epilog="Example: trenova keys generate --id eu1",
)


@app.command()
def generate(
    key_id: Annotated[str, typer.Option("--id", help="The key's id.")] = "default",
    master_key_file: Annotated[
        Path | None, typer.Option(help="Wrap the key under the master key in this file.", dir_okay=False)
    ] = None,
    signing: Annotated[bool, typer.Option("--signing", help="Make a key that signs the logs' checkpoints.")] = False,
    config: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Make a new 32-byte key and print the line that sets it.

    Example: trenova keys generate --id eu1
    """
    from trenova.keys import encryption  # noqa: PLC0415 - slow to import
    from trenova.keys import signing as signing_keys  # noqa: PLC0415
    from trenova.keys.master_key import MasterKeyFile  # noqa: PLC0415

    service = None if master_key_file is None else MasterKeyFile(master_key_file)
    if signing:
        text = signing_keys.generate_key(load_settings(config).ledger.origin, service)
        print(json_output.plain_json({"key": text}) if as_json else f"export {signing_keys.VARIABLE}='{text}'")
        return
    key = encryption.generate_key(key_id, service=service)
    if as_json:
        print(json_output.plain_json({"id": key.id, "key": key.text}))
    elif key.export_line is not None:
        print(key.export_line)
    else:
        print(key.text)
        print(f"a shell cannot export a variable for {key.id}: put it in a file of that name", file=sys.stderr)


@app.command()
def public(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    tenant: Annotated[str | None, typer.Option(help="Print those of this tenant's log.")] = None,
    as_json: options.Json = False,
) -> None:
    """Print the keys that verify checkpoints, one a line, the log's own first: for auditors, and for witnesses.

    Without a tenant they are named after ledger.origin, and stand for the logs of all tenants below it.

    Example: trenova keys public --tenant acme
    """
    from trenova.keys.signing import load_signer  # noqa: PLC0415 - slow to import

    options.check_tenant(tenant)
    signer = load_signer(load_settings(config, data_dir), os.environ)
    keys = [secret.with_name(signer.prefix).key for secret in signer.secrets] if tenant is None else signer.keys(tenant)
    if as_json:
        of = {} if tenant is None else {"tenant": tenant}
        print(json_output.plain_json({**of, "keys": [key.text for key in keys]}))
    else:
        print("\n".join(key.text for key in keys))


@app.command()
def check(
    config: options.ConfigFile = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Temporal what needs the keys.")] = False,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Try every configured key, and tell what still needs each of them, and until when.

    Looked at: open and closed workflows, schedules, and the spool of this machine's API. What was not seen is named.

    Exit code 0: what can be looked at from here was, which does not mean that a key may go: other spools may need it.
    Exit code 1: something that must be read cannot be, as its key is missing or wrong. Exit code 3: not even all of
    that could be looked at, so that a key may be needed without being seen.

    Example: trenova keys check --config config/config.yaml
    """
    from trenova.cli import event_loop, keys_check  # noqa: PLC0415 - slow to import

    loaded = load_settings(config, data_dir)
    keys = keys_check.configured(loaded)
    needs = None if offline else event_loop.run(keys_check.ask(loaded))
    if as_json:
        print(json_output.plain_json(keys_check.report(keys, needs)))
    else:
        keys_check.show(keys, needs)
    if needs is not None and (code := needs.exit_code()):
        raise typer.Exit(code)
