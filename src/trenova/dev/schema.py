"""The database schema, and one login each for API, worker and command line, with the rights that it needs."""

import asyncio

import psycopg
from psycopg import sql

from trenova.dev.postgres import DATABASE, Postgres
from trenova.runtime.installation import logins
from trenova.runtime.installation.logins import Login


async def prepare(postgres: Postgres) -> None:
    """Create or migrate the schema, then the logins. Safe to repeat after a crash at any point."""
    from trenova.store import migrate  # noqa: PLC0415 - slow to import, and the two servers alone need no schema

    await asyncio.to_thread(migrate.upgrade, postgres.owner_url)
    async with await postgres.connect(DATABASE) as connection, connection.transaction():
        for login in logins.ALL:
            await create_login(connection, login, postgres.folder.secret(login.secret))
        await retire_former(connection)


async def create_login(connection: psycopg.AsyncConnection[tuple[object, ...]], login: Login, password: str) -> None:
    """Create the login, or set its password and its role again."""
    # A SCRAM verifier is sent instead of the password, so that no log and no statistics view can show the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), login.name.encode(), b"scram-sha-256").decode()
    existing = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (login.name,))
    verb = sql.SQL("ALTER" if existing.rowcount else "CREATE")
    name, role = sql.Identifier(login.name), sql.Identifier(login.role)
    await connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, name, sql.Literal(verifier)))
    await connection.execute(sql.SQL("GRANT {} TO {}").format(role, name))


async def retire_former(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Disable the login of former releases, which had the rights of all parts.

    It is not dropped: an older release on this folder finds it and gives it a password again.
    """
    enabled = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s AND rolcanlogin", (logins.FORMER,))
    if enabled.rowcount:
        await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(logins.FORMER)))
