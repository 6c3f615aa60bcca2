"""Bringing the database's schema to the version of this program."""

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from trenova.store import schema
from trenova.store.pool import sqlalchemy_url, translated

# Any number that nothing else in this database uses: two programs that migrate at once do it one after the other.
MIGRATION_LOCK = 0x7472_656E_6F76_61


def upgrade(owner_url: str) -> str:
    """Migrate to the latest schema in one transaction and return its revision. Safe to run any number of times.

    Dying half-way leaves the schema as it was. The role in `owner_url` must be able to create tables and roles.
    """
    engine = create_engine(sqlalchemy_url(owner_url))
    try:
        with translated(), engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            schema.refuse_newer(connection)
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return schema.latest()
    finally:
        engine.dispose()


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", "trenova.store:migrations")
    return config
