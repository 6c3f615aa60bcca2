"""`trenova keys`: the keys that encrypt what passes through Temporal, and those that sign checkpoints."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from trenova.cli import options
from trenova.cli.terminal import json_output

app = typer.Typer(
    help="Generate keys, and show which are still needed.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: trenova keys generate --id eu1",
)


@app.command()
def generate(
    key_id: Annotated[str, typer.Option("--id", help="The key's id.")] = "default",
    master_key_file: Annotated[
        Path | None, typer.Option(help="Wrap the key under the master key in this file.", dir_okay=False)
    ] = None,
    signing: Annotated[bool, typer.Option("--signing", help="Generate a key that signs checkpoints.")] = False,
    config: options.ConfigFile = None,
    as_json: options.Json = False,
) -> None:
    """Generate a 32-byte key and print the line that sets it.

    Example: trenova keys generate --id eu1
    """
    from trenova.keys import encryption
    from trenova.keys import signing as signing_keys
    from trenova.keys.master_key import MasterKeyFile
    from trenova.runtime.installation.settings import load_settings

    service = None if master_key_file is None else MasterKeyFile(master_key_file)
    if signing:
        text = signing_keys.generate_key(load_settings(config).ledger.origin, service)
        print(json_output.to_json({"key": text}) if as_json else f"export {signing_keys.VARIABLE}='{text}'")
        return
    key = encryption.generate_key(key_id, service=service)
    if as_json:
        print(json_output.to_json({"id": key.id, "key": key.text}))
    elif key.export_line is not None:
        print(key.export_line)
    else:
        print(key.text)
        print(f"a shell cannot export a variable for {key.id}: put it in a file of that name", file=sys.stderr)


@app.command()
def public(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    tenant: Annotated[str | None, typer.Option(help="Print the keys of this tenant's ledger.")] = None,
    as_json: options.Json = False,
) -> None:
    """Print the keys that verify checkpoints.

    They are for auditors and witnesses: one per line, the ledger's own first.

    Without a tenant they are named after ledger.origin, and stand for the ledgers of all tenants below it.

    Example: trenova keys public --tenant acme
    """
    from trenova.keys.signing import load_signer
    from trenova.runtime.installation.settings import load_settings

    options.check_tenant(tenant)
    signer = load_signer(load_settings(config, data_dir), os.environ)
    keys = [secret.with_name(signer.prefix).key for secret in signer.secrets] if tenant is None else signer.keys(tenant)
    if as_json:
        owner = {} if tenant is None else {"tenant": tenant}
        print(json_output.to_json({**owner, "keys": [key.text for key in keys]}))
    else:
        print("\n".join(key.text for key in keys))


@app.command()
def check(
    config: options.ConfigFile = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask Temporal what needs the keys.")] = False,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Test every configured key, and list what needs it.

    The list says until when, where that is known.

    Checks open and closed workflows, schedules, and the spool of this machine's API. Names what it could not check.

    Exit code 0: everything that this command can reach was checked. A key may still be needed elsewhere, by the spools
    of other machines. Exit code 1: something that must be readable is not, as its key is missing or wrong. Exit code
    3: only a part was checked, so a key may be needed without showing here.

    Example: trenova keys check --config config/config.yaml
    """
    from trenova.cli import keys_check
    from trenova.runtime import event_loop
    from trenova.runtime.installation.settings import load_settings

    settings = load_settings(config, data_dir)
    keys = keys_check.configured_keys(settings)
    needs = None if offline else event_loop.run(keys_check.find_needs(settings))
    if as_json:
        print(json_output.to_json(keys_check.as_data(keys, needs)))
    else:
        keys_check.print_report(keys, needs)
    if needs is not None and (code := needs.exit_code()):
        raise typer.Exit(code)
