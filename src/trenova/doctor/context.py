"""The installation that is looked at: its settings, and a way to each part, opened whether the part answers or not."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from temporalio.client import Client
from temporalio.converter import DataConverter

from trenova.codec.compose import load_converter
from trenova.config import Settings
from trenova.doctor.worker_queries import WorkerQueries
from trenova.errors import InvalidConfiguration
from trenova.runtime.connection import connect
from trenova.runtime.installation import logins
from trenova.runtime.installation.running import read_running
from trenova.runtime.installation.settings import api_address, load_settings, naming, source_of
from trenova.runtime.process import database_url
from trenova.store import Store

POOL_SIZE = 4
LOGIN = logins.OPERATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """What the command was told, and `dev.json` where it was not."""

    settings: Settings
    data_dir: Path
    api_url: str
    api_key: str | None = field(repr=False)
    ui_origins: tuple[str, ...]
    """Origins of Web UIs whose pages should be able to use the codec endpoint; none when there is no endpoint."""
    environ: Mapping[str, str] = field(repr=False)
    backup_check: str | None = None
    """The operator's own command that ends well when there is a good backup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What checks are given. The connections are made by whoever first uses them."""

    options: DoctorOptions
    client: Client
    """With the installation's keys, or with none where they are wrong."""
    database: Store | None
    """None without a `database.url`."""
    api: httpx.AsyncClient
    workers: WorkerQueries

    @property
    def settings(self) -> Settings:
        return self.options.settings

    @property
    def database_setting(self) -> str:
        """Where the address of the database was read."""
        return source_of(self.settings, LOGIN)

    @property
    def store(self) -> Store:
        """For checks that need the check `database`, which fails without one."""
        assert self.database is not None
        return self.database

    @classmethod
    @asynccontextmanager
    async def open(cls, options: DoctorOptions) -> AsyncIterator["CheckContext"]:
        """Raises InvalidConfiguration for settings of which not even a client can be made."""
        settings = options.settings
        client = await connect(settings.temporal, converter_of(settings, options.environ), lazy=True)
        async with AsyncExitStack() as held:
            database = None
            if settings.database.url is not None:
                with naming(LOGIN, settings):
                    opened = Store.open(database_url(settings), pool_size=POOL_SIZE)
                    database = await held.enter_async_context(opened)
            key = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
            # A proxy of the user's shell stands in front of other servers than ours.
            # Each check has its own limit.
            api = httpx.AsyncClient(base_url=options.api_url, headers=key, timeout=None, trust_env=False)  # noqa: S113
            yield cls(
                options=options,
                client=client,
                database=database,
                api=await held.enter_async_context(api),
                workers=await held.enter_async_context(aclosing(WorkerQueries(client))),
            )


def converter_of(settings: Settings, environ: Mapping[str, str]) -> DataConverter:
    try:
        return load_converter(settings.temporal.security, environ)
    except InvalidConfiguration:
        return DataConverter.default  # the check of the keys says what is wrong with them


def read_options(
    config: Path | None, data_dir: Path, api_url: str | None, api_key: str | None, backup_check: str | None = None
) -> DoctorOptions:
    """Raises InvalidConfiguration, as every other command does."""
    settings = load_settings(config, data_dir, LOGIN)
    running = read_running(data_dir)
    url = api_url or (running.api_url if running else api_address(settings))
    # A key is only for the server it belongs to.
    key = api_key or (running.api_key if running and url == running.api_url else None)
    origins = settings.api.codec.ui_origins if settings.api.codec.enabled else ()
    if running and not origins and running.ui_url and url == running.api_url:
        origins = (running.ui_url,)
    return DoctorOptions(
        settings=settings,
        data_dir=data_dir,
        api_url=url,
        api_key=key,
        ui_origins=origins,
        environ=os.environ,
        backup_check=backup_check,
    )
