"""The store as retention needs it: with the signing key, and for changes with the rights of the schema's owner."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from trenova.cli import database_login, options
from trenova.config import Settings
from trenova.errors import InvalidRequest
from trenova.runtime.installation import logins
from trenova.runtime.installation.logins import Login
from trenova.runtime.installation.settings import load_settings
from trenova.runtime.process import database_url

if TYPE_CHECKING:
    from trenova.store import Store

Result = TypeVar("Result")

By = Annotated[str | None, typer.Option(help="Who does it; else the name of the user that runs this.")]


def with_store(loaded: Settings, use: "Callable[[Store], Awaitable[Result]]", login: Login = logins.OPERATOR) -> Result:
    from trenova.keys.signing import load_signer  # noqa: PLC0415 - slow to import
    from trenova.store import Store  # noqa: PLC0415 - slow to import

    async def opened() -> Result:
        async with Store.open(database_url(loaded), signer=load_signer(loaded, os.environ)) as store:
            await store.check()
            return await use(store)

    with database_login.needing(login, loaded):
        return asyncio.run(opened())


def as_owner(file: Path | None, data_dir: Path, use: "Callable[[Store], Awaitable[Result]]") -> Result:
    """With the login of whoever owns the tables: database.ownerUrl, else database.url, else that of a `trenova dev`."""
    return with_store(load_settings(file, data_dir, logins.OWNER), use, logins.OWNER)


def who(by: str | None) -> str:
    """The name to record. Raises InvalidRequest where there is none."""
    try:
        name = by or getpass.getuser()
    except (KeyError, OSError):
        name = ""
    return said(name, "--by")


def said(text: str, option: str, *, most: int = 512) -> str:
    """The text, which goes into an entry. Raises InvalidRequest for one that is empty, too long or unprintable."""
    if not text.strip() or len(text) > most or not text.isprintable():
        raise InvalidRequest(f"{option}: expected 1 to {most} printable characters, got {len(text)}")
    return text


def tenant_of(tenant: str | None, *, every: bool, word: str) -> str:
    """The tenant's name, or `*` for the option `word`."""
    from trenova.domain.retention import ALL_TENANTS  # noqa: PLC0415 - slow to import

    if (tenant is None) != every:
        raise typer.BadParameter(f"say either --tenant NAME or {word}")
    options.check_tenant(tenant)
    return tenant or ALL_TENANTS
