"""What the checks examine: the settings of an installation, and a connection to each part, opened at its first use."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from temporalio.client import Client
from temporalio.converter import DataConverter

from trenova.client.http import is_api_key
from trenova.codec.compose import load_converter
from trenova.config import Settings
from trenova.doctor.worker_queries import WorkerQueries
from trenova.errors import InvalidConfiguration
from trenova.runtime.connection import connect
from trenova.runtime.installation import logins
from trenova.runtime.installation.running import Running, read_running
from trenova.runtime.installation.settings import api_address, load_settings, name_database_setting, source_of
from trenova.runtime.process import database_url
from trenova.store import Store

POOL_SIZE = 4
LOGIN = logins.OPERATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """The options of the command; what it leaves out comes from the settings and from the data folder."""

    settings: Settings
    data_dir: Path
    api_url: str
    api_key: str | None = field(repr=False)
    ui_origins: tuple[str, ...]
    """Origins of the Web UIs whose pages should be able to call the codec endpoint; empty without an endpoint."""
    environ: Mapping[str, str] = field(repr=False)
    backup_check: str | None = None
    """A shell command of the operator that ends with 0 if there is a good backup."""
    database_restart: str | None = None
    """How to start the database again, if it is the one of the data folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What a check receives. Each connection is opened when a check first uses it."""

    options: DoctorOptions
    client: Client
    """With the encryption keys of the settings, or without keys if those are invalid."""
    database: Store | None
    """None without a `database.url`."""
    api: httpx.AsyncClient
    workers: WorkerQueries

    @property
    def settings(self) -> Settings:
        return self.options.settings

    @property
    def database_setting(self) -> str:
        """The setting that the address of the database came from."""
        return source_of(self.settings, LOGIN)

    @property
    def store(self) -> Store:
        """The database, for checks that need the check `database`, which fails without one."""
        assert self.database is not None
        return self.database

    @classmethod
    @asynccontextmanager
    async def open(cls, options: DoctorOptions) -> AsyncIterator["CheckContext"]:
        """Raises InvalidConfiguration for settings with which no client can be created."""
        settings = options.settings
        client = await connect(settings.temporal, converter_of(settings, options.environ), lazy=True)
        async with AsyncExitStack() as stack:
            database = None
            if settings.database.url is not None:
                with name_database_setting(LOGIN, settings):
                    store = Store.open(database_url(settings), pool_size=POOL_SIZE)
                    database = await stack.enter_async_context(store)
            # The check `api key` reports a key that cannot be sent.
            can_send = options.api_key is not None and is_api_key(options.api_key)
            key = {"Authorization": f"Bearer {options.api_key}"} if can_send else {}
            # No proxy from the user's shell. No timeout here, as each check has its own limit.
            api = httpx.AsyncClient(base_url=options.api_url, headers=key, timeout=None, trust_env=False)  # noqa: S113
            yield cls(
                options=options,
                client=client,
                database=database,
                api=await stack.enter_async_context(api),
                workers=await stack.enter_async_context(aclosing(WorkerQueries(client))),
            )


def converter_of(settings: Settings, environ: Mapping[str, str]) -> DataConverter:
    try:
        return load_converter(settings.temporal.security, environ)
    except InvalidConfiguration:
        return DataConverter.default  # the check `encryption keys` reports what is wrong


def read_options(
    config: Path | None, data_dir: Path, api_url: str | None, api_key: str | None, backup_check: str | None = None
) -> DoctorOptions:
    """Raises InvalidConfiguration, as every other command does."""
    settings = load_settings(config, data_dir, LOGIN)
    running = read_running(data_dir)
    url = api_url or (running.api_url if running else api_address(settings))
    # The data folder's key is sent to the data folder's server only.
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
        database_restart=restart_hint(data_dir) if running and uses_database_of(running, settings) else None,
    )


def uses_database_of(running: Running, settings: Settings) -> bool:
    """Whether the settings name the database server that runs from the data folder, under any login."""
    if settings.database.url is None:
        return False
    ours, theirs = urlsplit(settings.database.url.get_secret_value()), urlsplit(running.database_url)
    return (ours.hostname, ours.port) == (theirs.hostname, theirs.port)


def restart_hint(data_dir: Path) -> str:
    if (data_dir / "dev.json").exists():
        return f"`trenova dev` runs this database from {data_dir}: start it again (`make dev`)"
    return (
        f"`trenova api` and `trenova worker` run this database from {data_dir}: "
        "stop one of them and start it again (`make run`, `make run-worker`)"
    )
