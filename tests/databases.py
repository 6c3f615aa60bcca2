"""Separate databases for tests that would disturb others or be disturbed by them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from alembic import command
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from trenova.dev.postgres import Postgres
from trenova.store import migrate, schema
from trenova.store.pool import sqlalchemy_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """The addresses of a database, for its owner and for each kind of process."""

    owner_url: str = field(repr=False)
    api_url: str = field(repr=False)
    worker_url: str = field(repr=False)
    operator_url: str = field(repr=False)


def urls_of(database: Database | Postgres, port: int | None = None) -> dict[str, str]:
    """The address with the login of each program; `trenova` is the command line. `port`: of a proxy to the database."""
    urls = {"api": database.api_url, "worker": database.worker_url, "trenova": database.operator_url}
    if port is None:
        return urls
    return {name: make_url(url).set(port=port).render_as_string(hide_password=False) for name, url in urls.items()}


@asynccontextmanager
async def own_database(postgres: Postgres, revision: str | None = None) -> AsyncIterator[Database]:
    """A new database with our schema at this revision, or the latest; dropped afterwards."""
    async with empty_database(postgres) as made:
        await asyncio.to_thread(upgrade, made.owner_url, revision or schema.latest())
        yield made


@asynccontextmanager
async def empty_database(postgres: Postgres) -> AsyncIterator[Database]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    owner_url, api_url, worker_url, operator_url = (
        make_url(url).set(database=name).render_as_string(hide_password=False)
        for url in (postgres.owner_url, postgres.api_url, postgres.worker_url, postgres.operator_url)
    )
    async with await postgres.connect("postgres") as server:
        await server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield Database(owner_url=owner_url, api_url=api_url, worker_url=worker_url, operator_url=operator_url)
        finally:
            await server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def upgrade(owner_url: str, revision: str) -> None:
    engine = create_engine(sqlalchemy_url(owner_url))
    with engine.begin() as connection:
        config = migrate.alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
