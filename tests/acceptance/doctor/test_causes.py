"""Each fault of a running installation is the one cause that is named, and nothing that works is reported as broken.

The command is the one of docs/doctor.md.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from acceptance.conftest import LIMIT_S
from acceptance.doctor.installation import Installation, installation
from acceptance.encrypted import STRICT, encrypting, new_key
from trenova.doctor.causes import causes
from trenova.doctor.finding import Finding, State
from trenova.runtime.installation import logins

Fault = AbstractAsyncContextManager[object]
KEYS_WRONG = encrypting("a", a=new_key())


@pytest.fixture(scope="module")
async def made(folder: Path) -> AsyncIterator[Installation]:
    async with installation(folder) as everything:
        await becomes(everything, [])
        yield everything


async def becomes(made: Installation, named: list[str], variables: Mapping[str, str] | None = None) -> list[Finding]:
    """What the doctor finds once these are the causes that it names, and there is no other."""
    said: list[Finding] = []
    try:
        async with asyncio.timeout(LIMIT_S):
            while True:
                said = await made.examine(variables)
                if [found.check for found in causes(said)] == named:
                    return said
    except TimeoutError:
        pytest.fail(str([found for found in said if found.state in {State.FAILED, State.WARNING}]))


async def healthy(made: Installation) -> None:
    await becomes(made, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    make: Callable[[Installation], Fault]
    cause: str
    """The check that names it."""
    words: str


@asynccontextmanager
async def frozen(made: Installation, name: str) -> AsyncIterator[None]:
    with made.frozen(name):
        yield


@asynccontextmanager
async def worker_with(made: Installation, variables: Mapping[str, str]) -> AsyncIterator[None]:
    """And an entry that it should store."""
    async with made.otherwise("worker", variables):
        await made.accept()
        yield


@asynccontextmanager
async def worker_without_database(made: Installation) -> AsyncIterator[None]:
    """Its login is taken away while it works."""
    worker = sql.Identifier(logins.WORKER.name)
    async with await psycopg.AsyncConnection.connect(made.postgres.owner_url, autocommit=True) as owner:
        await owner.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(worker))
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [logins.WORKER.name]
        )
        try:
            await made.accept()
            yield
        finally:
            await owner.execute(sql.SQL("ALTER ROLE {} LOGIN").format(worker))


@asynccontextmanager
async def api_elsewhere(made: Installation) -> AsyncIterator[None]:
    """In another namespace, where it starts workflows that nobody will do."""
    await made.site.cli("operator", "namespace", "create", "--namespace", "elsewhere")
    async with made.otherwise("api", {**made.variables, "TRENOVA_TEMPORAL__NAMESPACE": "elsewhere"}):
        yield


CASES = {
    "Temporal stopped": Case(
        make=lambda made: made.stopped("temporal"), cause="temporal port", words="failed to dial temporal client"
    ),
    "Temporal frozen": Case(
        make=lambda made: frozen(made, "temporal"), cause="temporal TLS", words="failed to dial temporal client"
    ),
    "PostgreSQL stopped": Case(
        make=lambda made: made.stopped("postgres"), cause="database", words="the database is away"
    ),
    "PostgreSQL frozen": Case(
        make=lambda made: frozen(made, "postgres"), cause="database", words="the database has not answered within"
    ),
    "worker stopped": Case(
        make=lambda made: made.stopped("worker"), cause="workers", words="No Workers polling the audit-queue Task Queue"
    ),
    "worker killed": Case(
        make=lambda made: made.killed("worker"),
        cause="workers",
        words="no worker answers on the audit-queue Task Queue",
    ),
    "worker frozen": Case(
        make=lambda made: frozen(made, "worker"),
        cause="workers",
        words="no worker answers on the audit-queue Task Queue",
    ),
    "API stopped": Case(
        make=lambda made: made.stopped("api"), cause="api", words="the API is unreachable at http://127.0.0.1:"
    ),
    "API frozen": Case(make=lambda made: frozen(made, "api"), cause="api", words="the API has not answered within"),
    "worker with another key": Case(
        make=lambda made: worker_with(made, KEYS_WRONG),
        cause="keys of workers",
        words="has another key than the sender",
    ),
    "worker without the key": Case(
        make=lambda made: worker_with(made, encrypting("b", b=new_key())),
        cause="keys of workers",
        words="does not have the key of audit-batch-",
    ),
    "worker that does not encrypt": Case(
        make=lambda made: made.otherwise(
            "worker", {**made.variables, "TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION": "false"}
        ),
        cause="keys here",
        words="a worker answers in plain text",
    ),
    "worker without its database": Case(
        make=worker_without_database, cause="storing", words="workers cannot store: the database is away"
    ),
    "API with another key": Case(
        make=lambda made: made.otherwise("api", KEYS_WRONG),
        cause="keys of the API",
        words="the API has other encryption keys than these settings: its key with the ID a is another one",
    ),
    "API without encryption": Case(
        make=lambda made: made.otherwise("api", {}),
        cause="keys of the API",
        words="the API has other encryption keys than these settings: encryption is off there, but on here",
    ),
    "API in another namespace": Case(
        make=api_elsewhere, cause="api's temporal", words="the API uses another Temporal or namespace"
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_fault_is_the_one_cause_that_is_named(made: Installation, name: str) -> None:
    case = CASES[name]
    async with case.make(made):
        found = await becomes(made, [case.cause])
        first = causes(found)[0]
        assert case.words in first.cause
        assert first.next_step
        for other in found:
            assert other is first or other.state in {State.OK, State.UNCHECKED} or other.follows_from == case.cause
    await healthy(made)


# What is named of two faults at once. Servers come second, so that they are back before the programs that need them.
PAIRS = [
    ("PostgreSQL stopped", "Temporal stopped", ["temporal port", "database"]),
    ("worker stopped", "Temporal stopped", ["temporal port"]),  # without Temporal nobody can tell
    ("API frozen", "Temporal frozen", ["temporal TLS", "api"]),
    ("worker stopped", "PostgreSQL stopped", ["database", "workers"]),
    ("worker killed", "PostgreSQL frozen", ["database", "workers"]),
    ("API stopped", "PostgreSQL stopped", ["database", "api"]),
    ("API stopped", "worker killed", ["workers", "api"]),
    ("API with another key", "worker stopped", ["keys of the API", "workers"]),
    ("worker with another key", "API stopped", ["keys of workers", "api"]),
    ("worker with another key", "PostgreSQL stopped", ["database", "keys of workers"]),
]


@pytest.mark.parametrize(("one", "other", "named"), PAIRS)
async def test_of_two_faults_both_are_named_and_nothing_else(
    made: Installation, one: str, other: str, named: list[str]
) -> None:
    async with CASES[one].make(made), CASES[other].make(made):
        found = await becomes(made, named)
        for each in found:
            is_cause = each.check in named
            assert is_cause or each.state in {State.OK, State.UNCHECKED} or each.follows_from in named
    await healthy(made)


async def test_a_doctor_with_other_keys_than_the_rest_says_that_it_is_the_one(made: Installation) -> None:
    found = await becomes(made, ["keys here"], {**KEYS_WRONG, "TRENOVA_API_KEY": made.site.api_key})
    assert causes(found)[0].cause.startswith(
        "this program has other keys than the workers, which decrypted audit-batch-"
    )


async def test_a_worker_that_refuses_plain_text_is_named_where_the_api_sends_it(made: Installation) -> None:
    key = "TEMPORAL_ENCRYPTION_KEY_a"
    plain = {"TRENOVA_API_KEY": made.site.api_key, key: made.variables[key]}
    async with made.otherwise("api", plain), made.otherwise("worker", {**made.variables, **STRICT}):
        await made.accept()
        found = await becomes(made, ["keys of workers"], plain)
        assert "refuses (requireEncryption) the plain text of audit-batch-" in causes(found)[0].cause
    await healthy(made)


async def test_a_worker_without_encryption_is_named_in_strict_mode_too(made: Installation) -> None:
    off = {**made.variables, "TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION": "false"}
    async with made.otherwise("worker", off):
        found = await becomes(made, ["keys here"], {**made.variables, **STRICT})
        assert causes(found)[0].cause == "encryption is on here, but a worker answers in plain text"
    await healthy(made)


async def test_the_command_says_the_cause_and_its_next_step_before_everything_else(made: Installation) -> None:
    async with made.stopped("worker"):
        ended = await made.site.command("doctor", **made.variables)
    assert ended.exit_code == 15
    # Temporal may list for two minutes one that is gone.
    no_worker = ("cause: No Workers polling the audit-queue", "cause: no worker answers on the audit-queue")
    assert ended.lines[0].startswith(no_worker)
    assert ended.lines[1].strip().startswith("→ ")
    assert "`make run-worker`" in ended.lines[1]
