"""Which login a connection has, what it may do, and how a command gets the one that it needs."""

from dataclasses import dataclass

import psycopg

from trenova.errors import DatabaseFault, Forbidden
from trenova.store.pool import CONNECT_TIMEOUT_S
from trenova.store.sql import sql
from trenova.store.sqlstates import NO_RIGHT

LOGIN = sql("login").encode()

OWNER = "the owner of the tables"
"""What a change of the schema or of retention needs. No role has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """As the database knows it."""

    name: str
    roles: tuple[str, ...]
    """Those of ours that it has."""
    owner: str
    """Who owns the tables; without any, the database."""


def ask(url: str) -> Login | None:
    """The login of this address, or None where the database does not say."""
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            row = connection.execute(LOGIN).fetchone()
    except psycopg.Error:
        return None
    return None if row is None else Login(name=row[0], roles=tuple(row[1]), owner=row[2])


def explained(fault: DatabaseFault | Forbidden, url: str, role: str, setting: str) -> DatabaseFault | Forbidden:
    """The same fault, and where it is a missing right, the login that met it, the one needed, and how to give it.

    `role` is that of a migration, or OWNER; `setting` is where this command looks for the address of the database.
    """
    login = ask(url) if isinstance(fault, Forbidden) or fault.code == NO_RIGHT else None
    if login is None:
        return fault
    has = " and ".join(login.roles) or "none of Trenova's roles"
    needs = f"the login {login.owner}, which owns the tables" if role == OWNER else f"a login with the role {role}"
    return DatabaseFault(
        f"{fault.message}; the login here is {login.name} ({has}), and this command needs {needs}",
        hint=next_step(login, role, setting),
        code=NO_RIGHT,
    )


def next_step(login: Login, role: str, setting: str) -> str:
    if role != OWNER:
        return f"set {setting} to a login that has it; make one: CREATE ROLE … LOGIN PASSWORD '…' IN ROLE {role}"
    if login.name == login.owner:
        return (
            f"give it what the database refuses: ALTER ROLE {login.name} CREATEROLE, or see deploy/postgres/roles.sql"
        )
    return f"set {setting} to the address with that login, for this command alone"
