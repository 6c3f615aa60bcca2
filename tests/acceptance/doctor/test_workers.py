"""Accepted entries that are not stored: the doctor says whether they wait for a worker, a database or a key."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from acceptance.doctor.conftest import DoctorReport, doctor, doctor_until
from acceptance.encrypted import Site, encrypting, new_key, start_site
from conftest import new_tenant
from examples import entry
from trenova.dev.postgres import Postgres

pytestmark = pytest.mark.long

PACE_S = 0.5
NO_DATABASE = {"TRENOVA_DATABASE__URL": "postgresql://trenova@127.0.0.1:1/trenova"}


async def accept(site: Site) -> None:
    async with site.client() as client:
        answer = await client.post("/v1/entries", json={**entry(), "tenant": new_tenant()})
    assert answer.status_code == 202, answer.text


async def doctor_under_load(site: Site, condition: Callable[[DoctorReport], bool], **variables: str) -> DoctorReport:
    """The report of the doctor once the condition is true, while entries are sent."""

    async def send() -> None:
        while True:
            await accept(site)
            await asyncio.sleep(PACE_S)

    sending = asyncio.create_task(send())
    try:
        return await doctor_until(site, condition, **variables)
    finally:
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending


def has_long_backlog(report: DoctorReport) -> bool:
    backlog = report.findings["backlog"]
    return backlog["state"] == "warning" and "workflow tasks wait" in backlog["cause"]


async def test_missing_workers_and_the_growing_backlog_are_named_and_then_a_worker_without_a_database(
    folder: Path, database: Postgres
) -> None:
    async with start_site(folder, database) as site, site.running(["api"], {}):
        report = await doctor_under_load(site, has_long_backlog)
        assert report.exit_code == 15
        fault = report.fault("workers")
        assert fault.startswith("No Workers polling the audit-queue Task Queue")
        assert "make run-worker" in fault
        backlog = report.fault("backlog", "warning")
        assert backlog.startswith("backlog: ")
        assert "workflow tasks wait, the first for " in backlog
        assert "growing: " in backlog
        assert backlog.endswith("follows from `workers`: fix that first")
        schedules = "trenova-reconcile, trenova-retention, trenova-retry-dead-letters, trenova-verify"
        assert f"missing: {schedules}" in report.fault("schedules")

        # This worker runs, waits for its database, and does not poll.
        worker = await site.start("worker", NO_DATABASE, logged=b'"waiting"')
        try:
            report = await doctor(site, **NO_DATABASE)
            assert report.exit_code == 13
            assert report.fault("database").startswith("the database is unreachable: ")
            assert report.fault("workers").startswith("No Workers polling")
        finally:
            await worker.stop()

        async with site.running(["worker"], {}):
            report = await doctor_under_load(site, lambda report: not report.states("failed"))
            assert report.findings["workers"]["cause"].startswith("1 worker polls audit-queue")


async def test_workers_of_a_version_that_gets_no_work_are_named(folder: Path, database: Postgres) -> None:
    versioned = {"TRENOVA_WORKER__DEPLOYMENT_NAME": "audit", "TRENOVA_WORKER__BUILD_ID": "2"}
    async with start_site(folder, database) as site, site.running(["worker"], versioned):
        report = await doctor(site)
        assert report.exit_code == 15
        fault = report.fault("worker version")
        cause, command = fault.split(" → temporal ")
        assert cause == "workers of version audit 2 poll but get no work: the current version is none"
        assert (await site.cli(*command.split(), "--yes")).exit_code == 0
        report = await doctor_until(site, lambda report: report.findings["worker version"]["state"] == "ok")
        assert report.findings["worker version"]["cause"] == "work goes to audit 2"


async def test_a_wrong_and_a_missing_key_and_a_stuck_workflow_are_named_in_the_words_of_the_symptoms(
    folder: Path, database: Postgres
) -> None:
    one, other = new_key(), new_key()
    right, wrong, missing = encrypting("a", a=one), encrypting("a", a=other), encrypting("b", b=other)
    async with start_site(folder, database) as site, site.running(["api"], right):
        await accept(site)
        for variables, words in (
            (wrong, "decryption failed with the key ID: a"),
            (missing, "encryption key not found for ID: a"),
        ):
            # Without an API key: with one, the doctor finds that the API has other keys.
            unknown = {**variables, "TRENOVA_API_KEY": ""}
            # Temporal lists open workflows with a delay.
            report = await doctor_until(
                site, lambda report: report.findings["keys of open workflows"]["state"] != "ok", **unknown
            )
            assert report.exit_code == 14
            fault = report.fault("keys of open workflows")
            assert fault.startswith(f"open workflows wait: {words} (audit-batch-")
            assert ") → set TEMPORAL_ENCRYPTION_KEY_a to the key that they were encrypted with" in fault
            assert "trenova keys check" in fault

        async with site.running(["worker"], wrong):
            # Temporal marks a workflow after some failed tasks: about a minute.
            report = await doctor_until(
                site, lambda report: report.findings["stuck workflows"]["state"] != "ok", **wrong
            )
        fault = report.fault("stuck workflows")
        assert fault.startswith("1 workflow is failing repeatedly: audit-batch-")
        assert "decryption failed with the key ID: a" in fault
        assert one not in str(report)
        assert other not in str(report)


async def test_a_worker_with_another_key_under_the_same_id_is_named_even_if_others_do_its_work(
    folder: Path, database: Postgres
) -> None:
    right, wrong = encrypting("a", a=new_key()), encrypting("a", a=new_key())
    async with (
        start_site(folder, database) as site,
        site.running(["api", "worker"], right),
        site.running(["worker"], wrong) as (mistaken,),
    ):
        named = f"worker {mistaken.process.pid}@"
        report = await doctor_under_load(
            site, lambda report: named in report.findings["keys of workers"]["cause"], **right
        )
        assert report.exit_code == 14
        fault = report.fault("keys of workers")
        assert fault.startswith(f"keys differ: {named}")
        assert "has another key than the sender of audit-batch-" in fault
        assert "trenova keys check --offline" in fault
