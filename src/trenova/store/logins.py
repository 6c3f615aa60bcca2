"""Which login a connection has, what it may do, and how a command gets the login that it needs."""

from dataclasses import dataclass

import psycopg

from trenova.errors import DatabaseFault, Forbidden
from trenova.store.pool import CONNECT_TIMEOUT_S
from trenova.store.sql import sql
from trenova.store.sqlstates import NO_RIGHT

LOGIN = sql("login").encode()

OWNER = "the owner of the tables"
"""What a change of the schema or of retention needs: no role is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login as the database describes it."""

    name: str
    roles: tuple[str, ...]
    """Our roles that it has."""
    owner: str
    """The owner of the tables or, before they exist, of the database."""


def read_login(url: str) -> Login | None:
    """The login of this address, or None where the database does not say."""
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            row = connection.execute(LOGIN).fetchone()
    except psycopg.Error:
        return None
    if row is None:
        return None
    name, roles, owner = row
    return Login(name=name, roles=tuple(roles), owner=owner)


def explain(fault: DatabaseFault | Forbidden, url: str, role: str, setting: str) -> DatabaseFault | Forbidden:
    """The fault; where it is a missing right, with the login that lacks it, the login needed, and how to get that.

    `role` is a role of the migrations, or OWNER; `setting` names the setting with the address of the database.
    """
    login = read_login(url) if isinstance(fault, Forbidden) or fault.code == NO_RIGHT else None
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
        return f"give it the right that it lacks: ALTER ROLE {login.name} CREATEROLE, or see deploy/postgres/roles.sql"
    return f"set {setting} to the address with that login, for this command alone"
