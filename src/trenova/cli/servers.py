"""`trenova api`, `trenova worker`, `trenova migrate`."""

import os
from typing import Annotated

import typer

from trenova.cli import api_client, database_login, json_output, options
from trenova.config import DEFAULT_DATA_DIR, HealthSettings, load
from trenova.dev import server_requirements
from trenova.errors import InvalidConfiguration
from trenova.runtime import log_output
from trenova.runtime.installation import logins
from trenova.runtime.installation.settings import load_settings
from trenova.runtime.process import database_url

HIGHEST_PORT = 65_535


def api(config: options.ConfigFile = None, data_dir: options.DataDir = DEFAULT_DATA_DIR) -> None:
    """Run the API server.

    Without a database.url it uses the PostgreSQL of the data folder.

    Where Temporal is on this machine, it starts that PostgreSQL if it does not run.

    Example: trenova api --config config/config.yaml
    """
    from trenova.api import server  # noqa: PLC0415 - slow to import, and `trenova --help` needs none of it

    loaded = load(os.environ, file=config)
    log_output.set_up(loaded.log)
    with server_requirements.complete_settings(loaded, data_dir, logins.API, command="api", signs=False) as complete:
        server.run(complete, os.environ)


def worker(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    processes: Annotated[int, typer.Option(min=1, help="How many worker processes to run.")] = 1,
) -> None:
    """Run a worker on the task queue audit-queue.

    Without a database.url it uses the PostgreSQL of the data folder, as `trenova api` does.

    It logs `worker started` when Temporal has seen it poll, and finishes what it runs on SIGTERM.

    Example: trenova worker --config config/config.yaml
    """
    from trenova.worker import process  # noqa: PLC0415 - slow to import
    from trenova.worker import processes as several  # noqa: PLC0415 - slow to import

    loaded = load(os.environ, file=config)
    log_output.set_up(loaded.log)
    # One error here, not one from each of several processes.
    with server_requirements.complete_settings(
        loaded, data_dir, logins.WORKER, command="worker", signs=True
    ) as complete:
        if processes > 1:
            check_ports(complete.worker.health, processes)
            same = [*(["--config", str(config)] if config else []), "--data-dir", str(data_dir)]
            raise typer.Exit(several.run(processes, same, complete.worker))
        process.run(complete, os.environ)


def check_ports(health: HealthSettings, processes: int) -> None:
    if health.port is not None and health.port + processes - 1 > HIGHEST_PORT:
        problem = (
            f"worker.health.port: {health.port} given for {processes} processes, which need as many ports from there"
        )
        raise InvalidConfiguration([problem], hint=f"choose one up to {HIGHEST_PORT + 1 - processes}")


def migrate(
    config: options.ConfigFile = None,
    data_dir: options.DataDir = DEFAULT_DATA_DIR,
    as_json: options.Json = False,
) -> None:
    """Bring the database schema up to date.

    Needs the database login that owns the tables and may create roles, from database.ownerUrl
    (TRENOVA_DATABASE__OWNER_URL) or, without that, from database.url.

    Where a long transaction holds a table, it lets entries through and tries again for 15 minutes.

    API, worker and command line need less: give each a login with the role trenova_api, trenova_worker or
    trenova_operator.

    Example: trenova migrate --config owner.yaml
    """
    from trenova.store import migrate as migration  # noqa: PLC0415 - slow to import

    api_client.tell_waiting("the tables")
    loaded = load_settings(config, data_dir, logins.OWNER)
    with database_login.needing(logins.OWNER, loaded):
        revision = migration.upgrade(database_url(loaded))
    print(
        json_output.plain_json({"schema": revision}) if as_json else f"the database schema is up to date ({revision})"
    )
