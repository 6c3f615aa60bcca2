"""Migrating the database to the schema of this program."""

from typing import TYPE_CHECKING

import stamina
from sqlalchemy import Connection, Engine, create_engine

from trenova.errors import Blocked
from trenova.store import schema
from trenova.store.pool import sqlalchemy_url, translate_errors
from trenova.store.sql import sql

if TYPE_CHECKING:
    from alembic.config import Config

LOCK_MIGRATIONS, SET_LOCK_TIMEOUT = sql("lock_migrations"), sql("lock_timeout")

# Any number that nothing else in this database uses.
MIGRATION_LOCK = 0x7472_656E_6F76_61


# A session that waits for a whole table blocks all later ones, and nothing is stored. So a migration waits for a
# moment, lets all others through, and retries. Longer than a verification takes to give way to it.
LOCK_TIMEOUT = "5s"
MAX_WAIT_S = 10
PATIENCE_S = 15 * 60


def upgrade(owner_url: str) -> str:
    """Migrate to the latest schema in one transaction and return its revision. Safe to run any number of times.

    A crash half-way leaves the schema as it was. The role in `owner_url` must be able to create tables and roles.
    Raises Blocked when another session holds a table for longer than PATIENCE_S.
    """
    engine = create_engine(sqlalchemy_url(owner_url))
    try:
        for attempt in stamina.retry_context(
            on=Blocked, attempts=None, timeout=PATIENCE_S, wait_initial=1, wait_max=MAX_WAIT_S
        ):
            with attempt, translate_errors():
                migrate(engine)
        return schema.latest()
    finally:
        engine.dispose()


def migrate(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(LOCK_MIGRATIONS, {"lock": MIGRATION_LOCK})
        connection.exec_driver_sql(SET_LOCK_TIMEOUT, {"timeout": LOCK_TIMEOUT})
        schema.check_not_newer(connection)
        if schema.current(connection) != schema.latest():
            run_migrations(connection)


def run_migrations(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - slow to import, and most starts find the latest schema

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def alembic_config() -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", "trenova.store:migrations")
    return config
