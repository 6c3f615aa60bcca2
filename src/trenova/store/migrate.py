"""Bringing the database's schema to the version of this program."""

import stamina
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, text

from trenova.errors import Blocked
from trenova.store import schema
from trenova.store.pool import sqlalchemy_url, translated

# Any number that nothing else in this database uses: two programs that migrate at once do it one after the other.
MIGRATION_LOCK = 0x7472_656E_6F76_61


# Whoever waits for a table keeps everybody behind it waiting, and storing stands still. So a migration waits for a
# moment, lets all others through, and comes back. Longer than a verification takes to give way to it.
LOCK_TIMEOUT = "5s"
COME_BACK_S = 10
PATIENCE_S = 15 * 60


def upgrade(owner_url: str) -> str:
    """Migrate to the latest schema in one transaction and return its revision. Safe to run any number of times.

    Dying half-way leaves the schema as it was. The role in `owner_url` must be able to create tables and roles. Raises
    Blocked when somebody has held a table for PATIENCE_S.
    """
    engine = create_engine(sqlalchemy_url(owner_url))
    try:
        for attempt in stamina.retry_context(
            on=Blocked, attempts=None, timeout=PATIENCE_S, wait_initial=1, wait_max=COME_BACK_S
        ):
            with attempt, translated():
                migrate(engine)
        return schema.latest()
    finally:
        engine.dispose()


def migrate(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        schema.refuse_newer(connection)
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", "trenova.store:migrations")
    return config
