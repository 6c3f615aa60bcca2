"""What an error of PostgreSQL calls for: to wait, to park a row, or operator action.

Decided by its SQLSTATE (PostgreSQL's manual, appendix A) and never by its words, which change with language and
release, and which may quote an entry.
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

# It passes, or an operator of the database fixes it: connection, conflict between transactions, resources, an object in
# use, intervention, the machine. And a read-only server, as after a failover to the wrong one.
PASSING = frozenset({"08", "40", "53", "55", "57", "58"})
READ_ONLY = "25006"
# Two transactions blocked each other, and this one was cancelled or gave up.
BLOCKED = frozenset({"40001", "40P01", "55P03"})
# The same row would be rejected again, and others are not: its data, a constraint, a limit, a trigger's own exception.
OF_A_ROW = frozenset({"22", "23", "54", "P0"})
# No row can violate a unique constraint of ours: heads decide which index is free, and ids are looked up before.
UNIQUE = "23505"
UNKNOWN = "unknown"
NO_RIGHT = "42501"


def meaning(error: psycopg.Error) -> TrenovaError:
    """The error as one of this project's own."""
    code = error.sqlstate
    if code is None:
        # An error of the driver: it lost the connection, or cannot send a value.
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return unavailable(error)
        return RowRejected(code="22000", reason=str(error)) if isinstance(error, psycopg.DataError) else fault(error)
    if code[:2] in PASSING or code == READ_ONLY:
        return unavailable(error)
    if code == UNIQUE:
        return LedgerDamaged(
            f"two rows have one key of the table {error.diag.table_name} ({error.diag.constraint_name})",
            hint="restore that table from a backup: entries wait, and none of them is lost",
        )
    if code[:2] in OF_A_ROW:
        named = f" ({error.diag.constraint_name})" if error.diag.constraint_name else ""
        return RowRejected(code=code, reason=f"{error.diag.message_primary or type(error).__name__}{named}")
    return fault(error)


def unavailable(error: psycopg.Error) -> Unavailable:
    # libpq names host, port and user, never the password.
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, psycopg.errors.QueryCanceled):
        return StatementTimeout(
            f"the database is too slow: {reason}",
            hint="check its load; pg_stat_activity shows which sessions hold locks",
        )
    if error.sqlstate in BLOCKED:
        return Blocked(
            f"blocked by another transaction: {reason}",
            hint="retry; pg_stat_activity shows which sessions hold locks, and for how long",
        )
    if error.sqlstate == READ_ONLY:
        return Unavailable(
            f"the database is read-only: {reason}",
            hint=f"point {DATABASE_SETTING} at the primary, or make this server writable again",
        )
    outage = reason_of(reason)
    return Unavailable(f"the database is {outage.state}: {reason}", hint=outage.next_step)


def fault(error: psycopg.Error) -> DatabaseFault:
    reason = error.diag.message_primary or type(error).__name__
    if error.sqlstate == NO_RIGHT:
        return DatabaseFault(
            f"the database denies this login a right: {reason} (SQLSTATE {NO_RIGHT})",
            hint=f"give the login of {DATABASE_SETTING} the role of this process: docs/deploying.md, Who may do what",
            code=NO_RIGHT,
        )
    return DatabaseFault(
        f"the database rejected a statement of this program: {reason} (SQLSTATE {error.sqlstate or UNKNOWN})",
        hint=f"run `trenova migrate`, and check that the login of {DATABASE_SETTING} has the role of this process",
        code=error.sqlstate or UNKNOWN,
    )
