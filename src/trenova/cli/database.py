"""The database as commands use it: opened with the login that a command needs, whose missing rights are explained."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from trenova.errors import DatabaseFault, Forbidden
from trenova.runtime.installation import logins

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from trenova.config import Settings
    from trenova.runtime.installation.logins import Login
    from trenova.store import Store

Result = TypeVar("Result")


@contextmanager
def explain_missing_rights(login: Login, settings: Settings) -> Iterator[None]:
    """Name, in an error about a missing right within this block, the login that was used and the one that is needed."""
    from trenova.runtime.installation.settings import name_database_setting, setting_of
    from trenova.runtime.process import database_url

    with name_database_setting(login, settings):
        try:
            yield
        except (DatabaseFault, Forbidden) as fault:
            from trenova.store import logins as store_logins

            url, role = database_url(settings), login.role or store_logins.OWNER
            raise store_logins.explain(fault, url, role, setting_of(login)) from None


def use_store(settings: Settings, use: Callable[[Store], Awaitable[Result]], login: Login = logins.OPERATOR) -> Result:
    """Run `use` on an open store that can sign."""
    import asyncio

    from trenova.keys.signing import load_signer
    from trenova.runtime.process import database_url
    from trenova.store import Store

    async def open_and_use() -> Result:
        async with Store.open(database_url(settings), signer=load_signer(settings, os.environ)) as store:
            await store.check()
            return await use(store)

    with explain_missing_rights(login, settings):
        return asyncio.run(open_and_use())


def use_store_as_operator(file: Path | None, data_dir: Path, use: Callable[[Store], Awaitable[Result]]) -> Result:
    """Run `use` with database.operatorUrl, else database.url, else the database of a running `trenova dev`."""
    from trenova.runtime.installation.settings import load_settings

    return use_store(load_settings(file, data_dir, logins.OPERATOR), use, logins.OPERATOR)


def use_store_as_owner(file: Path | None, data_dir: Path, use: Callable[[Store], Awaitable[Result]]) -> Result:
    """Run `use` as the owner of the tables: database.ownerUrl, else database.url, else that of a `trenova dev`."""
    from trenova.runtime.installation.settings import load_settings

    return use_store(load_settings(file, data_dir, logins.OWNER), use, logins.OWNER)
