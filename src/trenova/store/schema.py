"""Which schema the database has, and whether it is the one of this program.

Separate from `migrate`, which needs Alembic: 12 MB in each process, only to compare two words.
"""

from importlib.resources import files

from sqlalchemy import Connection, inspect, text

from trenova.errors import SchemaMismatch
from trenova.store.sql import sql

SCHEMA_VERSION = sql("schema_version")

LATEST_HINT = "run `trenova migrate` with the login that owns the tables, in database.ownerUrl or database.url"


def check(connection: Connection) -> None:
    """Raise SchemaMismatch unless the database has exactly this program's schema."""
    revision = current(connection)
    if revision is None:
        raise SchemaMismatch("the database has no Trenova schema yet", hint=LATEST_HINT)
    check_not_newer(connection)
    if revision != latest():
        raise SchemaMismatch(f"the database schema is {revision}, this program needs {latest()}", hint=LATEST_HINT)


def current(connection: Connection) -> str | None:
    """The schema's revision, or None in a database without one."""
    if not inspect(connection).has_table("schema_version"):
        return None
    revision = connection.execute(text(SCHEMA_VERSION)).scalar_one_or_none()
    return None if revision is None else str(revision)


def check_not_newer(connection: Connection) -> None:
    revision = current(connection)
    if revision is not None and revision not in revisions():
        raise SchemaMismatch(
            f"the database schema is {revision}, which is newer than this program (it knows up to {latest()})",
            hint="install the release of Trenova that made it, or a later one",
        )


def latest() -> str:
    return revisions()[-1]


def revisions() -> list[str]:
    """The revisions of all schemas so far, by the names of the migrations: `r0002_trees.py` makes 0002."""
    names = [file.name for file in files("trenova.store.migrations.versions").iterdir()]
    return sorted(name[1:5] for name in names if name.startswith("r") and name.endswith(".py"))
