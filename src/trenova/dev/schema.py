"""The tables, and the logins of the API, the worker and the command line: each may do what it needs and no more."""

import asyncio

import psycopg
from psycopg import sql

from trenova.dev.postgres import DATABASE, Postgres
from trenova.runtime.installation import logins
from trenova.runtime.installation.logins import Login


async def prepare(postgres: Postgres) -> None:
    """Create or migrate the schema, then the logins. Both may run again after a crash at any point."""
    from trenova.store import migrate  # noqa: PLC0415 - slow to import, and the two servers alone need no schema

    await asyncio.to_thread(migrate.upgrade, postgres.owner_url)
    async with await postgres.connect(DATABASE) as connection, connection.transaction():
        for login in logins.ALL:
            await make(connection, login, postgres.folder.secret(login.secret))
        await retire_former(connection)


async def make(connection: psycopg.AsyncConnection[tuple[object, ...]], login: Login, password: str) -> None:
    """Make the login, or give it this password and its role again."""
    # The server is sent a SCRAM verifier, so that no log and no statistics view can ever show the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), login.name.encode(), b"scram-sha-256").decode()
    found = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (login.name,))
    verb = sql.SQL("ALTER" if found.rowcount else "CREATE")
    name, role = sql.Identifier(login.name), sql.Identifier(login.role)
    await connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, name, sql.Literal(verifier)))
    await connection.execute(sql.SQL("GRANT {} TO {}").format(role, name))


async def retire_former(connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
    """Let nobody in any more with the login of former releases, which could do what all parts do.

    It is not dropped: an older release on this folder would find it, and give it a password again.
    """
    found = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s AND rolcanlogin", (logins.FORMER,))
    if found.rowcount:
        await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(logins.FORMER)))
