"""`trenova api`, `trenova worker`, `trenova migrate`."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from trenova.cli import api_client, database, options
from trenova.cli.terminal import json_output
from trenova.errors import InvalidConfiguration
from trenova.runtime.installation import logins

if TYPE_CHECKING:
    from trenova.config import HealthSettings

HIGHEST_PORT = 65_535


@contextmanager
def without_collecting() -> Iterator[None]:
    """Import without looking for garbage in between: there is none, and it takes a tenth of a server's start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def api(config: options.ConfigFile = None, data_dir: options.DataDir = options.DEFAULT_DATA_DIR) -> None:
    """Run the API server.

    Without a database.url it uses the PostgreSQL of the data folder.

    Where Temporal is on this machine, it starts that PostgreSQL if it is not running.

    Example: trenova api --config config/config.yaml
    """
    with without_collecting():
        from trenova.api import server
        from trenova.config import load
        from trenova.dev import server_requirements
        from trenova.runtime import log_output

    loaded = load(os.environ, file=config)
    log_output.set_up(loaded.log)
    with server_requirements.complete_settings(loaded, data_dir, logins.API, command="api", signs=False) as settings:
        server.run(settings, os.environ)


def worker(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    processes: Annotated[int, typer.Option(min=1, help="How many worker processes to run.")] = 1,
) -> None:
    """Run a worker on the task queue audit-queue.

    Without a database.url it uses the PostgreSQL of the data folder, as `trenova api` does.

    It logs `worker started` once Temporal has seen it poll. On SIGTERM it finishes the work it has, then stops.

    Example: trenova worker --config config/config.yaml
    """
    with without_collecting():
        from trenova.config import load
        from trenova.dev import server_requirements
        from trenova.runtime import log_output
        from trenova.worker import process
        from trenova.worker import processes as worker_processes

    loaded = load(os.environ, file=config)
    log_output.set_up(loaded.log)
    # Completed here, so that wrong settings are one error and not one of each process.
    with server_requirements.complete_settings(
        loaded, data_dir, logins.WORKER, command="worker", signs=True
    ) as settings:
        if processes > 1:
            check_ports(settings.worker.health, processes)
            arguments = [*(["--config", str(config)] if config else []), "--data-dir", str(data_dir)]
            raise typer.Exit(worker_processes.run(processes, arguments, settings.worker))
        process.run(settings, os.environ)


def check_ports(health: HealthSettings, processes: int) -> None:
    if health.port is not None and health.port + processes - 1 > HIGHEST_PORT:
        problem = (
            f"worker.health.port: {health.port} given for {processes} processes, which need as many ports from there"
        )
        raise InvalidConfiguration([problem], hint=f"choose one up to {HIGHEST_PORT + 1 - processes}")


def migrate(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = options.DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Bring the database schema up to date.

    Needs the database login that owns the tables and may create roles, from database.ownerUrl
    (TRENOVA_DATABASE__OWNER_URL) or, without that, from database.url.

    While a long transaction locks a table, it lets entries through and retries for 15 minutes.

    API, worker and command line need fewer rights: give each a login with the role trenova_api, trenova_worker or
    trenova_operator.

    Example: trenova migrate --config owner.yaml
    """
    from trenova.runtime.installation.settings import load_settings
    from trenova.runtime.process import database_url
    from trenova.store import migrate as migration

    api_client.report_waiting("the tables")
    settings = load_settings(config, data_dir, logins.OWNER)
    with database.explain_missing_rights(logins.OWNER, settings):
        revision = migration.upgrade(database_url(settings))
    print(json_output.to_json({"schema": revision}) if as_json else f"the database schema is up to date ({revision})")
