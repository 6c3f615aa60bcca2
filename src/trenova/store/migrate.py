"""Bringing the database's schema to the version of this program, and telling whether it is there."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from trenova.errors import SchemaMismatch
from trenova.store.pool import sqlalchemy_url, translated

# Any number that nothing else in this database uses: two programs that migrate at once do it one after the other.
MIGRATION_LOCK = 0x7472_656E_6F76_61
LATEST_HINT = "run `trenova migrate` with a database.url that may create tables"


def upgrade(owner_url: str) -> str:
    """Migrate to the latest schema in one transaction and return its revision. Safe to run any number of times.

    Dying half-way leaves the schema as it was. The role in `owner_url` must be able to create tables and roles.
    """
    engine = create_engine(sqlalchemy_url(owner_url))
    try:
        with translated(), engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            refuse_newer(connection)
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return latest()
    finally:
        engine.dispose()


def check(connection: Connection) -> None:
    """Raise SchemaMismatch unless the database has exactly this program's schema."""
    found = current(connection)
    if found is None:
        raise SchemaMismatch("the database has no Trenova schema yet", hint=LATEST_HINT)
    refuse_newer(connection)
    if found != latest():
        raise SchemaMismatch(
            f"the database schema is {found}, this program needs {latest()}",
            hint=LATEST_HINT,
        )


def current(connection: Connection) -> str | None:
    """The schema's revision, or None in a database without one."""
    if not inspect(connection).has_table("schema_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM schema_version")).scalar_one_or_none()
    return None if revision is None else str(revision)


def refuse_newer(connection: Connection) -> None:
    found = current(connection)
    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"the database schema is {found}, which is newer than this program (it knows up to {latest()})",
            hint="install the release of Trenova that made it, or a later one",
        )


def latest() -> str:
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert head is not None, "the migrations are part of the package"
    return head


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", "trenova.store:migrations")
    return config
