"""`trenova api-key`: who may ask for what."""

import asyncio
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from trenova.cli import settings
from trenova.config import DEFAULT_DATA_DIR
from trenova.errors import InvalidConfiguration
from trenova.store import Store
from trenova.store.api_keys import ApiKey, NewApiKey

app = typer.Typer(
    help="Make, list and revoke API keys.",
    no_args_is_help=True,
    epilog="Example: trenova api-key create --tenant acme --role writer",
)


@app.command()
def create(
    role: Annotated[Literal["writer", "reader", "admin"], typer.Option(help="writer adds, reader reads, admin both.")],
    tenant: Annotated[str | None, typer.Option(help="The tenant whose log it is for.")] = None,
    any_tenant: Annotated[bool, typer.Option("--any-tenant", help="For every tenant.")] = False,
    name: Annotated[str, typer.Option(help="What it is for, to know it again in the list.")] = "",
    config: settings.ConfigFile = None,
    data_dir: settings.DataDir = DEFAULT_DATA_DIR,
    as_json: settings.Json = False,
) -> None:
    """Make an API key and show it, this once: only a hash of it is kept."""
    if (tenant is None) != any_tenant:
        raise InvalidConfiguration(["say either --tenant NAME or --any-tenant"])

    async def make() -> NewApiKey:
        async with Store.open(settings.database_url(settings.load(config, data_dir))) as store:
            return await store.api_keys.create(tenant=tenant, role=role, name=name)

    key = asyncio.run(make())
    if as_json:
        print(settings.plain_json({"id": key.id, "key": key.text, "tenant": tenant, "role": role}))
        return
    print(key.text)
    Console(stderr=True).print(f"Keep it: it is not shown again. To take it back: trenova api-key revoke {key.id}")


@app.command("list")
def list_keys(
    config: settings.ConfigFile = None,
    data_dir: settings.DataDir = DEFAULT_DATA_DIR,
    as_json: settings.Json = False,
) -> None:
    """List the API keys, revoked ones too."""

    async def read() -> list[ApiKey]:
        async with Store.open(settings.database_url(settings.load(config, data_dir))) as store:
            return await store.api_keys.list()

    keys = asyncio.run(read())
    if as_json:
        print(settings.plain_json(keys))
        return
    table = Table("id", "tenant", "role", "name", "created", "revoked", box=None)
    for key in keys:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}Z" if key.revoked_at else ""
        table.add_row(key.id, key.tenant or "(any)", key.role, key.name, f"{key.created_at:%Y-%m-%d %H:%M}Z", revoked)
    Console().print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `trenova api-key list` shows it.")],
    config: settings.ConfigFile = None,
    data_dir: settings.DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Revoke an API key. It stops working with the next request."""

    async def revoke_it() -> None:
        async with Store.open(settings.database_url(settings.load(config, data_dir))) as store:
            await store.api_keys.revoke(key_id)

    asyncio.run(revoke_it())
    print(f"revoked {key_id}")
