"""The database: whether it answers, has the right schema, and gives the login the rights it needs and no more."""

from datetime import UTC, datetime

from trenova.doctor.checkup import Check
from trenova.doctor.clock import clock_verdict, skew
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failure, ok, warning
from trenova.errors import Unavailable
from trenova.runtime.process import database_url
from trenova.store import catalog, connection_errors, roles, schema, server_status
from trenova.store.database import OLDEST_SERVER

SHOWN = 5
GRANT_ROLE = (
    f"grant it the role of its process: GRANT {roles.API} TO <login>; for workers {roles.WORKER}, for the command line "
    f"{roles.OPERATOR}"
)
USE_ONE_ROLE = f"use a separate login for each process, with only the role of that process: {GRANT_ROLE}"
REPLACE_FORMER = (
    f"create a login for each process, with the role {roles.API}, {roles.WORKER} or {roles.OPERATOR}, and "
    f"revoke {roles.FORMER} from this one: docs/deploying.md"
)


async def check_answers(context: CheckContext) -> Verdict:
    database_url(context.settings)
    try:
        server = await server_status.read_server(context.store.pool)
    except Unavailable as error:
        restart = context.options.database_restart
        if restart is None or connection_errors.reason_of(error.message).name != "unreachable":
            raise
        return failure(error.message, restart)
    if server.number < OLDEST_SERVER:
        return failure(f"the server is PostgreSQL {server.version}; 15 or newer is needed", "update PostgreSQL")
    return ok(f"PostgreSQL {server.version}, database {server.database}, login {server.login}")


async def check_schema(context: CheckContext) -> Verdict:
    """Raises SchemaMismatch, which has its own next step."""
    async with context.store.pool.transaction() as connection:
        await connection.run_sync(schema.check)
    return ok(f"schema {schema.latest()}, as this program needs")


async def check_rights(context: CheckContext) -> Verdict:
    rights = await server_status.read_rights(context.store.pool)
    if not rights.roles and not rights.spare:
        return failure("the login has none of the roles that the migrations create", GRANT_ROLE)
    if rights.missing:
        return failure(f"the login lacks {first_few(rights.missing)}", grant_hint(context.database_setting))
    if rights.spare:
        return warning(f"the login has more rights than it needs: {first_few(rights.spare)}", USE_ONE_ROLE)
    if roles.FORMER in rights.roles:
        return warning(f"the login has the role {roles.FORMER}, with the rights of API and workers", REPLACE_FORMER)
    if len(rights.roles) > 1:
        return warning(
            f"the login has the roles {' and '.join(rights.roles)}, but no process needs more than one", USE_ONE_ROLE
        )
    return ok(f"the login has the rights of {rights.roles[0]}, and no more")


def grant_hint(setting: str) -> str:
    return f"grant the login of {setting} the role of this process, and run `trenova migrate`: docs/deploying.md"


def first_few(rights: tuple[str, ...]) -> str:
    more = f" and {len(rights) - SHOWN} more" if len(rights) > SHOWN else ""
    return ", ".join(rights[:SHOWN]) + more


async def check_objects(context: CheckContext) -> Verdict:
    """Whether tables, triggers, functions, grants and other objects are as the migrations created them."""
    places = await catalog.check(context.store.pool)
    if not places:
        return ok("tables, indexes, triggers, functions and grants are as the migrations created them")
    return failure(first_few(tuple(str(place) for place in places)), places[0].next_step)


async def check_writes(context: CheckContext) -> Verdict:
    server = await server_status.read_server(context.store.pool)
    if server.is_standby:
        return failure("the database is a read-only standby", f"point {context.database_setting} at the primary")
    if server.is_read_only:
        return failure(
            "the database is read-only (default_transaction_read_only is on)",
            "turn default_transaction_read_only off for the server, the database and the login; "
            "it is often turned on because a disk is full",
        )
    return ok("accepts writes")


async def check_clock(context: CheckContext) -> Verdict:
    before = datetime.now(UTC)
    server = await server_status.read_server(context.store.pool)
    return clock_verdict("the database's", skew(server.now, before, datetime.now(UTC)))


CHECKS = (
    Check("database", Kind.DATABASE, check_answers, own_limit_s=None),
    Check("database schema", Kind.DATABASE, check_schema, ("database",)),
    Check("database rights", Kind.DATABASE, check_rights, ("database schema",)),
    Check("database objects", Kind.DATABASE, check_objects, ("database schema",)),
    Check("database writes", Kind.DATABASE, check_writes, ("database",)),
    Check("database clock", Kind.MACHINE, check_clock, ("database",)),
)
