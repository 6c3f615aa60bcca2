"""The tables, and the login that the API and the worker use: it may do what the application needs and no more."""

import asyncio

from psycopg import sql

from trenova.dev.postgres import DATABASE, LOGIN, Postgres

APPLICATION_ROLE = "trenova_app"


async def prepare(postgres: Postgres) -> None:
    """Create or migrate the schema, then the login. Both may run again after a crash at any point."""
    from trenova.store import migrate  # noqa: PLC0415 - slow to import, and the two servers alone need no schema

    await asyncio.to_thread(migrate.upgrade, postgres.owner_url)
    await create_login(postgres)


async def create_login(postgres: Postgres) -> None:
    """Give the application's role a login with the password that is kept in the data folder."""
    password = postgres.folder.secret("postgres-app")
    async with await postgres.connect(DATABASE) as connection, connection.transaction():
        # The server is sent a SCRAM verifier, so that no log and no statistics view can ever show the password.
        verifier = connection.pgconn.encrypt_password(password.encode(), LOGIN.encode(), b"scram-sha-256").decode()
        found = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (LOGIN,))
        verb = sql.SQL("ALTER" if found.rowcount else "CREATE")
        login, role = sql.Identifier(LOGIN), sql.Identifier(APPLICATION_ROLE)
        await connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, login, sql.Literal(verifier)))
        await connection.execute(sql.SQL("GRANT {} TO {}").format(role, login))
