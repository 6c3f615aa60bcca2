"""`trenova api-key`: who may ask for what."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer
from rich.table import Table

from trenova.cli import database_login, json_output, options
from trenova.cli.data_folder import given
from trenova.cli.retention_store import By, said, who
from trenova.cli.screen import console, literal
from trenova.config import DEFAULT_DATA_DIR
from trenova.domain.seal_check import is_open_to_clients
from trenova.errors import InvalidRequest
from trenova.runtime.installation import logins
from trenova.runtime.installation.command_line import flag
from trenova.runtime.installation.settings import load_settings
from trenova.runtime.process import database_url

if TYPE_CHECKING:
    from trenova.store.api_keys import ApiKeys

app = typer.Typer(
    help="Make, list and revoke API keys.",
    no_args_is_help=True,
    epilog="Example: trenova api-key create --tenant acme --role writer",
)

Result = TypeVar("Result")


@app.command()
def create(
    role: Annotated[Literal["writer", "reader", "admin"], typer.Option(help="writer adds, reader reads, admin both.")],
    tenant: Annotated[str | None, typer.Option(help="The tenant whose log it is for.")] = None,
    any_tenant: Annotated[bool, typer.Option("--any-tenant", help="For every tenant.")] = False,
    name: Annotated[str, typer.Option(help="What it is for, to know it again in the list.")] = "",
    by: By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Make an API key and show it, this once: only a hash of it is kept. The system's log tells of it.

    Needs a database login with the role trenova_operator, from database.operatorUrl or database.url.

    Example: trenova api-key create --tenant acme --role writer --name billing
    """
    if (tenant is None) != any_tenant:
        raise typer.BadParameter("say either --tenant NAME or --any-tenant")
    options.check_tenant(tenant)
    if tenant is not None and role == "writer" and not is_open_to_clients(tenant):
        raise InvalidRequest(f"nobody may write for the tenant {tenant}", hint="make a key with the role reader")
    if name:
        said(name, "--name")
    author = who(by)
    key = with_keys(config, data_dir, lambda keys: keys.create(tenant=tenant, role=role, name=name, by=author))
    if as_json:
        print(json_output.plain_json({"id": key.id, "key": key.text, "tenant": tenant, "role": role}))
        return
    print(key.text, flush=True)
    again = f"trenova api-key revoke {key.id}{'' if given(sys.argv) is None else flag(data_dir)}"
    typer.echo(f"Keep it: it is not shown again. To take it back: {again}", err=True)


@app.command("list")
def list_keys(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """List the API keys, revoked ones too. Times are UTC."""
    keys = with_keys(config, data_dir, lambda keys: keys.list())
    if as_json:
        json_output.print_lines(keys)
        return
    table = Table("id", "tenant", "role", "name", "created", "revoked", box=None, pad_edge=False)
    for key in keys:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        cells = (key.id, key.tenant or "(any)", key.role, key.name, f"{key.created_at:%Y-%m-%d %H:%M}", revoked)
        table.add_row(*map(literal, cells))
    console().print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `trenova api-key list` shows it.")],
    by: By = None,
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Revoke an API key, for ever. It stops working with the next request, and the system's log tells of it.

    Example: trenova api-key revoke 3f9a0c1d2e4b
    """
    author = who(by)
    with_keys(config, data_dir, lambda keys: keys.revoke(key_id, by=author))
    print(json_output.plain_json({"id": key_id, "revoked": True}) if as_json else f"revoked {key_id}")


def with_keys(config: Path | None, data_dir: Path, use: "Callable[[ApiKeys], Awaitable[Result]]") -> Result:
    from trenova.store import Store  # noqa: PLC0415 - slow to import

    loaded = load_settings(config, data_dir)

    async def opened() -> Result:
        async with Store.open(database_url(loaded)) as store:
            return await use(store.api_keys)

    with database_login.needing(logins.OPERATOR, loaded):
        return asyncio.run(opened())
