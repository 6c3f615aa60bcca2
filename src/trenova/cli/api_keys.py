"""`trenova api-key`: who may send and read entries."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from trenova.cli import database, options
from trenova.cli.data_folder_hint import data_dir_flag
from trenova.cli.terminal import json_output
from trenova.errors import InvalidRequest
from trenova.runtime.installation import logins
from trenova.runtime.installation.command_line import flag

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from trenova.store.api_keys import ApiKeys

app = typer.Typer(
    help="Create, list and revoke API keys.",
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Example: trenova api-key create --tenant acme --role writer",
)

Result = TypeVar("Result")


@app.command()
def create(
    role: Annotated[
        Literal["writer", "reader", "admin"], typer.Option(help="A writer adds entries, a reader reads, an admin both.")
    ],
    tenant: Annotated[str | None, typer.Option(help="The tenant that the key is for.")] = None,
    any_tenant: Annotated[bool, typer.Option("--any-tenant", help="For every tenant.")] = False,
    name: Annotated[str, typer.Option(help="What the key is for; shown in the list.")] = "",
    by: options.By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Create an API key and print it, this once only.

    The database has only its hash. The change is audited.

    Needs a database login with the role trenova_operator, from database.operatorUrl or database.url.

    Example: trenova api-key create --tenant acme --role writer --name billing
    """
    from trenova.domain.seal_check import is_open_to_clients

    if (tenant is None) != any_tenant:
        raise typer.BadParameter("give either --tenant NAME or --any-tenant")
    options.check_tenant(tenant)
    if tenant is not None and role == "writer" and not is_open_to_clients(tenant):
        raise InvalidRequest(
            f"no key may write for the tenant {tenant}, which is the system's own",
            hint="create a key with the role reader",
        )
    if name:
        options.check_text(name, "--name")
    author = options.author(by)
    key = use_keys(config, data_dir, lambda keys: keys.create(tenant=tenant, role=role, name=name, by=author))
    if as_json:
        print(json_output.to_json({"id": key.id, "key": key.text, "tenant": tenant, "role": role}))
        return
    print(key.text, flush=True)
    revoke_command = f"trenova api-key revoke {key.id}{'' if data_dir_flag(sys.argv) is None else flag(data_dir)}"
    typer.echo(f"Save it: it is not shown again. To revoke it: {revoke_command}", err=True)


@app.command("list")
def list_keys(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """List the API keys, including revoked ones. Times are UTC."""
    keys = use_keys(config, data_dir, lambda keys: keys.list())
    if as_json:
        json_output.print_lines(keys)
        return
    from rich.table import Table

    from trenova.cli.terminal.screen import literal, stdout_console

    table = Table("id", "tenant", "role", "name", "created", "revoked", box=None, pad_edge=False)
    for key in keys:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        cells = (key.id, key.tenant or "(any)", key.role, key.name, f"{key.created_at:%Y-%m-%d %H:%M}", revoked)
        table.add_row(*map(literal, cells))
    stdout_console().print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `trenova api-key list` shows it.")],
    by: options.By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Revoke an API key for good: the next request with it is denied. The change is audited.

    Example: trenova api-key revoke 3f9a0c1d2e4b
    """
    author = options.author(by)
    use_keys(config, data_dir, lambda keys: keys.revoke(key_id, by=author))
    print(json_output.to_json({"id": key_id, "revoked": True}) if as_json else f"revoked {key_id}")


def use_keys(config: Path | None, data_dir: Path, use: Callable[[ApiKeys], Awaitable[Result]]) -> Result:
    """Run `use` on the API keys in the database, as an operator."""
    import asyncio

    from trenova.runtime.installation.settings import load_settings
    from trenova.runtime.process import database_url
    from trenova.store import Store

    settings = load_settings(config, data_dir)

    async def open_and_use() -> Result:
        async with Store.open(database_url(settings)) as store:
            return await use(store.api_keys)

    with database.explain_missing_rights(logins.OPERATOR, settings):
        return asyncio.run(open_and_use())
