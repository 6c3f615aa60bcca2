"""Each fault of a running installation is reported as one cause, and no working part is reported as broken.

The command is that of docs/doctor.md.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from acceptance.doctor.installation import Installation, run_installation
from acceptance.encrypted import STRICT, encrypting, new_key
from trenova.doctor.causes import causes
from trenova.doctor.finding import Finding, State
from trenova.runtime.installation import logins
from waiting import eventually

pytestmark = pytest.mark.long

Fault = AbstractAsyncContextManager[object]
KEYS_WRONG = encrypting("a", a=new_key())


@pytest.fixture(scope="module")
async def installation(folder: Path) -> AsyncIterator[Installation]:
    async with run_installation(folder) as running:
        await wait_for_causes(running, [])
        yield running


async def wait_for_causes(
    installation: Installation, named: list[str], variables: Mapping[str, str] | None = None
) -> list[Finding]:
    """The findings of the doctor once it names exactly these causes."""
    return await eventually(
        lambda: installation.examine(variables),
        lambda findings: [finding.check for finding in causes(findings)] == named,
    )


async def wait_until_healthy(installation: Installation) -> None:
    await wait_for_causes(installation, [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    make: Callable[[Installation], Fault]
    cause: str
    """The check that reports it."""
    words: str


@asynccontextmanager
async def freeze(installation: Installation, name: str) -> AsyncIterator[None]:
    with installation.while_frozen(name):
        yield


@asynccontextmanager
async def worker_with(installation: Installation, variables: Mapping[str, str]) -> AsyncIterator[None]:
    """And accept an entry that it should store."""
    async with installation.restarted_with("worker", variables):
        await installation.accept()
        yield


@asynccontextmanager
async def worker_without_database(installation: Installation) -> AsyncIterator[None]:
    """Disable the worker's login while it works."""
    worker = sql.Identifier(logins.WORKER.name)
    async with await psycopg.AsyncConnection.connect(installation.postgres.owner_url, autocommit=True) as owner:
        await owner.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(worker))
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [logins.WORKER.name]
        )
        try:
            await installation.accept()
            yield
        finally:
            await owner.execute(sql.SQL("ALTER ROLE {} LOGIN").format(worker))


@asynccontextmanager
async def api_elsewhere(installation: Installation) -> AsyncIterator[None]:
    """Run the API in another namespace, where no worker runs the workflows that it starts."""
    await installation.site.cli("operator", "namespace", "create", "--namespace", "elsewhere")
    async with installation.restarted_with(
        "api", {**installation.variables, "TRENOVA_TEMPORAL__NAMESPACE": "elsewhere"}
    ):
        yield


CASES = {
    "Temporal stopped": Case(
        make=lambda installation: installation.while_stopped("temporal"),
        cause="temporal port",
        words="failed to dial temporal client",
    ),
    "Temporal frozen": Case(
        make=lambda installation: freeze(installation, "temporal"),
        cause="temporal TLS",
        words="failed to dial temporal client",
    ),
    "PostgreSQL stopped": Case(
        make=lambda installation: installation.while_stopped("postgres"),
        cause="database",
        words="the database is unreachable",
    ),
    "PostgreSQL frozen": Case(
        make=lambda installation: freeze(installation, "postgres"),
        cause="database",
        words="the database has not answered within",
    ),
    "worker stopped": Case(
        make=lambda installation: installation.while_stopped("worker"),
        cause="workers",
        words="No Workers polling the audit-queue Task Queue",
    ),
    "worker killed": Case(
        make=lambda installation: installation.while_killed("worker"),
        cause="workers",
        words="no worker answers on the audit-queue Task Queue",
    ),
    "worker frozen": Case(
        make=lambda installation: freeze(installation, "worker"),
        cause="workers",
        words="no worker answers on the audit-queue Task Queue",
    ),
    "API stopped": Case(
        make=lambda installation: installation.while_stopped("api"),
        cause="api",
        words="the API is unreachable at http://127.0.0.1:",
    ),
    "API frozen": Case(
        make=lambda installation: freeze(installation, "api"), cause="api", words="the API has not answered within"
    ),
    "worker with another key": Case(
        make=lambda installation: worker_with(installation, KEYS_WRONG),
        cause="keys of workers",
        words="has another key than the sender",
    ),
    "worker without the key": Case(
        make=lambda installation: worker_with(installation, encrypting("b", b=new_key())),
        cause="keys of workers",
        words="does not have the key of audit-batch-",
    ),
    "worker that does not encrypt": Case(
        make=lambda installation: installation.restarted_with(
            "worker", {**installation.variables, "TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION": "false"}
        ),
        cause="keys here",
        words="a worker answers in plain text",
    ),
    "worker without its database": Case(
        make=worker_without_database, cause="storing", words="workers cannot store: the database is unavailable"
    ),
    "API with another key": Case(
        make=lambda installation: installation.restarted_with("api", KEYS_WRONG),
        cause="keys of the API",
        words="the API has other encryption keys than these settings: its key with the ID a is another one",
    ),
    "API without encryption": Case(
        make=lambda installation: installation.restarted_with("api", {}),
        cause="keys of the API",
        words="the API has other encryption keys than these settings: encryption is off there, but on here",
    ),
    "API in another namespace": Case(
        make=api_elsewhere, cause="api's temporal", words="the API uses another Temporal or namespace"
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_one_fault_is_reported_as_one_cause(installation: Installation, name: str) -> None:
    case = CASES[name]
    async with case.make(installation):
        findings = await wait_for_causes(installation, [case.cause])
        first = causes(findings)[0]
        assert case.words in first.cause
        assert first.next_step
        for other in findings:
            assert other is first or other.state in {State.OK, State.UNCHECKED} or other.follows_from == case.cause
    await wait_until_healthy(installation)


# The causes named for two faults at once. Servers come second, so that they run again before programs that need them.
PAIRS = [
    ("PostgreSQL stopped", "Temporal stopped", ["temporal port", "database"]),
    ("worker stopped", "Temporal stopped", ["temporal port"]),  # without Temporal the workers are unknown
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
async def test_two_faults_are_reported_as_these_causes_and_no_other(
    installation: Installation, one: str, other: str, named: list[str]
) -> None:
    async with CASES[one].make(installation), CASES[other].make(installation):
        findings = await wait_for_causes(installation, named)
        for each in findings:
            is_cause = each.check in named
            assert is_cause or each.state in {State.OK, State.UNCHECKED} or each.follows_from in named
    await wait_until_healthy(installation)


async def test_a_doctor_with_other_keys_than_all_other_parts_says_so(installation: Installation) -> None:
    findings = await wait_for_causes(
        installation, ["keys here"], {**KEYS_WRONG, "TRENOVA_API_KEY": installation.site.api_key}
    )
    assert causes(findings)[0].cause.startswith(
        "this program has other keys than the workers, which decrypted audit-batch-"
    )


async def test_a_worker_that_refuses_the_plain_text_of_the_api_is_named(installation: Installation) -> None:
    key = "TEMPORAL_ENCRYPTION_KEY_a"
    plain = {"TRENOVA_API_KEY": installation.site.api_key, key: installation.variables[key]}
    async with (
        installation.restarted_with("api", plain),
        installation.restarted_with("worker", {**installation.variables, **STRICT}),
    ):
        await installation.accept()
        findings = await wait_for_causes(installation, ["keys of workers"], plain)
        assert "refuses (requireEncryption) the plain text of audit-batch-" in causes(findings)[0].cause
    await wait_until_healthy(installation)


async def test_a_worker_without_encryption_is_named_in_strict_mode_too(installation: Installation) -> None:
    off = {**installation.variables, "TRENOVA_TEMPORAL__SECURITY__ENABLE_ENCRYPTION": "false"}
    async with installation.restarted_with("worker", off):
        findings = await wait_for_causes(installation, ["keys here"], {**installation.variables, **STRICT})
        assert causes(findings)[0].cause == "encryption is on here, but a worker answers in plain text"
    await wait_until_healthy(installation)


async def test_the_command_prints_the_cause_and_its_next_step_first(installation: Installation) -> None:
    async with installation.while_stopped("worker"):
        ended = await installation.site.command("doctor", **installation.variables)
    assert ended.exit_code == 15
    # Temporal may list a stopped worker for two minutes.
    no_worker = ("cause: No Workers polling the audit-queue", "cause: no worker answers on the audit-queue")
    assert ended.lines[0].startswith(no_worker)
    assert ended.lines[1].strip().startswith("→ ")
    assert "`make run-worker`" in ended.lines[1]
