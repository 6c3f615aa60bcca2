"""What an error of PostgreSQL asks for: to wait, to park a row, or to call somebody.

Told by its SQLSTATE (PostgreSQL's manual, appendix A) and never by its words, which change with language and release,
and which may quote an entry.
"""

import psycopg

from trenova.errors import (
    DATABASE_SETTING,
    Blocked,
    DatabaseFault,
    LedgerDamaged,
    RowRejected,
    StatementTimeout,
    TrenovaError,
    Unavailable,
)
from trenova.store.connection_errors import reason_of

# It passes, or an operator of the database mends it: connection, conflict between transactions, resources, an object in
# use, intervention, the machine below. And a server that only reads, as after a failover to the wrong one.
PASSING = frozenset({"08", "40", "53", "55", "57", "58"})
READ_ONLY = "25006"
# Two transactions were in each other's way, and this one was told to give way or did so by itself.
BLOCKED = frozenset({"40001", "40P01", "55P03"})
# The same row would be refused again, and others are not: its data, a constraint, a limit, a trigger's own exception.
OF_A_ROW = frozenset({"22", "23", "54", "P0"})
# No constraint of ours is in a row's power: heads decide which index is free, and ids are looked up before.
UNIQUE = "23505"
UNKNOWN = "unknown"
NO_RIGHT = "42501"


def meaning(error: psycopg.Error) -> TrenovaError:
    """The error in this project's words."""
    code = error.sqlstate
    if code is None:
        # Of the driver itself: it lost the connection, or cannot send a value.
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return away(error)
        return RowRejected(code="22000", reason=str(error)) if isinstance(error, psycopg.DataError) else fault(error)
    if code[:2] in PASSING or code == READ_ONLY:
        return away(error)
    if code == UNIQUE:
        return LedgerDamaged(
            f"two rows claim one place of the table {error.diag.table_name} ({error.diag.constraint_name})",
            hint="restore that table from a backup: entries wait, and none of them is lost",
        )
    if code[:2] in OF_A_ROW:
        named = f" ({error.diag.constraint_name})" if error.diag.constraint_name else ""
        return RowRejected(code=code, reason=f"{error.diag.message_primary or type(error).__name__}{named}")
    return fault(error)


def away(error: psycopg.Error) -> Unavailable:
    # libpq names host, port and user, never the password.
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, psycopg.errors.QueryCanceled):
        return StatementTimeout(
            f"the database is too slow: {reason}", hint="look at its load, and at who holds locks in pg_stat_activity"
        )
    if error.sqlstate in BLOCKED:
        return Blocked(
            f"another transaction is in the way: {reason}",
            hint="try again; pg_stat_activity shows who holds locks, and for how long",
        )
    if error.sqlstate == READ_ONLY:
        return Unavailable(
            f"the database only reads: {reason}",
            hint=f"point {DATABASE_SETTING} at the primary, or let this one write again",
        )
    return Unavailable(f"the database is away: {reason}", hint=reason_of(reason).next_step)


def fault(error: psycopg.Error) -> DatabaseFault:
    reason = error.diag.message_primary or type(error).__name__
    return DatabaseFault(
        f"the database refuses the program: {reason} (SQLSTATE {error.sqlstate or UNKNOWN})",
        hint=f"check that the login of {DATABASE_SETTING} has this process's role: docs/deploying.md, Who may do what"
        if error.sqlstate == NO_RIGHT
        else f"run `trenova migrate`, and check that the login of {DATABASE_SETTING} has this process's role",
        code=error.sqlstate or UNKNOWN,
    )
