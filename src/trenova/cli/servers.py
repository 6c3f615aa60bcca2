"""`trenova api`, `trenova worker`, `trenova migrate`."""

from trenova.cli import log_setup, settings
from trenova.config import DEFAULT_DATA_DIR


def api(config: settings.ConfigFile = None, data_dir: settings.DataDir = DEFAULT_DATA_DIR) -> None:
    """Run the API server.

    Without a database.url it uses the database of the `trenova dev` that runs on the data folder.
    """
    from trenova.api import server  # noqa: PLC0415 - slow to import, and `trenova --help` needs none of it

    loaded = settings.load(config, data_dir)
    settings.database_url(loaded)
    log_setup.set_up(loaded.log)
    server.run(loaded)


def worker(config: settings.ConfigFile = None, data_dir: settings.DataDir = DEFAULT_DATA_DIR) -> None:
    """Run a worker on the task queue audit-queue.

    It logs `worker started` when Temporal has seen it poll, and finishes what it runs on SIGTERM.
    """
    from trenova.worker import process  # noqa: PLC0415 - slow to import

    loaded = settings.load(config, data_dir)
    settings.database_url(loaded)
    log_setup.set_up(loaded.log)
    process.run(loaded)


def migrate(config: settings.ConfigFile = None) -> None:
    """Bring the database schema up to date.

    The role in database.url must be able to create tables and roles. API and worker need less: give their login the
    role trenova_app (GRANT trenova_app TO some_login).
    """
    from trenova.store import migrate as migration  # noqa: PLC0415 - slow to import

    revision = migration.upgrade(settings.database_url(settings.load(config)))
    print(f"the database schema is up to date ({revision})")
