"""The database: whether it answers, is the right one, lets the application do what it must and no more."""

from datetime import UTC, datetime

from trenova.doctor.checkup import Check
from trenova.doctor.clock import clock_verdict, skew
from trenova.doctor.context import CheckContext
from trenova.doctor.finding import Kind, Verdict, failed, ok, warning
from trenova.runtime.process import database_url
from trenova.store import catalog, roles, schema, server_status
from trenova.store.database import OLDEST_SERVER

SHOWN = 5
GRANT_ROLE = (
    f"give it the role of its process: GRANT {roles.API} TO <login>, for workers {roles.WORKER}, for the command line "
    f"{roles.OPERATOR}"
)
USE_ONE_ROLE = f"use a login of its own for each process, with its one role and nothing else: {GRANT_ROLE}"
REPLACE_FORMER = (
    f"make a login of its own for each process, with the role {roles.API}, {roles.WORKER} or {roles.OPERATOR}, and "
    f"take {roles.FORMER} from this one: docs/deploying.md"
)


async def check_answers(context: CheckContext) -> Verdict:
    database_url(context.settings)
    found = await server_status.server(context.store.pool)
    if found.number < OLDEST_SERVER:
        return failed(f"PostgreSQL {found.version} found, 15 or newer needed", "update PostgreSQL")
    return ok(f"PostgreSQL {found.version}, database {found.database}, login {found.login}")


async def check_schema(context: CheckContext) -> Verdict:
    """A SchemaMismatch tells its own next step."""
    async with context.store.pool.transaction() as connection:
        await connection.run_sync(schema.check)
    return ok(f"schema {schema.latest()}, this program's")


async def check_rights(context: CheckContext) -> Verdict:
    found = await server_status.rights(context.store.pool)
    if not found.roles and not found.spare:
        return failed("the login is in none of the roles that the migrations make", GRANT_ROLE)
    if found.missing:
        return failed(f"the login lacks {first_few(found.missing)}", grant_hint(context.database_setting))
    if found.spare:
        return warning(f"the login may do more than it needs: {first_few(found.spare)}", USE_ONE_ROLE)
    if roles.FORMER in found.roles:
        return warning(
            f"the login is in {roles.FORMER}, which may do what API and workers may together", REPLACE_FORMER
        )
    if len(found.roles) > 1:
        return warning(f"the login is in {' and '.join(found.roles)}, which no process needs together", USE_ONE_ROLE)
    return ok(f"the login may do what {found.roles[0]} needs, and no more")


def grant_hint(setting: str) -> str:
    return (
        f"see that the login of {setting} is in the role of this process, and run `trenova migrate`: docs/deploying.md"
    )


def first_few(rights: tuple[str, ...]) -> str:
    more = f" and {len(rights) - SHOWN} more" if len(rights) > SHOWN else ""
    return ", ".join(rights[:SHOWN]) + more


async def check_objects(context: CheckContext) -> Verdict:
    """Whether tables, triggers, functions, grants and the like are what the migrations made."""
    places = await catalog.check(context.store.pool)
    if not places:
        return ok("tables, indexes, triggers, functions and grants are as the migrations made them")
    return failed(first_few(tuple(str(place) for place in places)), places[0].next_step)


async def check_writes(context: CheckContext) -> Verdict:
    found = await server_status.server(context.store.pool)
    if found.is_standby:
        return failed("the database is a standby, which only reads", f"point {context.database_setting} at the primary")
    if found.only_reads:
        return failed(
            "the database only reads (default_transaction_read_only is on)",
            "turn default_transaction_read_only off for the server, the database and the login; "
            "a disk that filled up is a common reason for it",
        )
    return ok("takes writes")


async def check_clock(context: CheckContext) -> Verdict:
    before = datetime.now(UTC)
    found = await server_status.server(context.store.pool)
    return clock_verdict("the database's", skew(found.now, before, datetime.now(UTC)))


CHECKS = (
    Check("database", Kind.DATABASE, check_answers, own_limit_s=None),
    Check("database schema", Kind.DATABASE, check_schema, ("database",)),
    Check("database rights", Kind.DATABASE, check_rights, ("database schema",)),
    Check("database objects", Kind.DATABASE, check_objects, ("database schema",)),
    Check("database writes", Kind.DATABASE, check_writes, ("database",)),
    Check("database clock", Kind.MACHINE, check_clock, ("database",)),
)
