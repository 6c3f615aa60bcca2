"""Faults in settings, and in parts that are repaired afterwards: each is named with its cause and its next step."""

import json
import socket
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from acceptance.conftest import ENABLED, User
from acceptance.doctor.conftest import SHIMS, doctor, doctor_until, report_of, shim
from acceptance.encrypted import STRICT, Site
from certificates import Authority
from conftest import new_tenant
from examples import entry
from poison_rule import POISON, poison_rule
from temporal_fronts import tls_front
from trenova.config import LedgerSettings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.ledger.note import COSIGNATURE
from trenova.ledger.signing import Signer
from trenova.runtime.installation import logins
from trenova.store import Store, schema

pytestmark = pytest.mark.long

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
SILENT_S = 60  # as in silent.c
HOST, NAMESPACE = "TRENOVA_TEMPORAL__HOST_PORT", "TRENOVA_TEMPORAL__NAMESPACE"


def test_invalid_settings_are_one_failure_and_no_other_check_runs(newcomer: User) -> None:
    report = report_of(newcomer("doctor", "--json", stdin=b"", TRENOVA_API__PORT="x", TRENOVA_NO_SUCH="1"))
    assert report.exit_code == 10
    assert "TRENOVA_NO_SUCH: there is no such setting; api.port: 'x' given" in report.fault("configuration")
    assert report.states("not checked") == report.findings.keys() - {"configuration"}
    assert {each["cause"] for each in report.findings.values() if each["state"] == "not checked"} == {
        "`configuration` failed"
    }


def test_with_nothing_running_every_part_is_named_and_nothing_hangs(newcomer: User) -> None:
    # Another Trenova on this machine may use the default port.
    port = str(choose())
    report = report_of(newcomer("doctor", "--json", stdin=b"", TRENOVA_API__PORT=port, **{HOST: "127.0.0.1:1"}))
    assert report.exit_code == 12
    fault = report.fault("temporal port")
    assert fault.startswith("failed to dial temporal client at 127.0.0.1:1: no connection")
    assert "temporal.hostPort" in fault
    assert report.findings["stuck workflows"]["state"] == "not checked"
    assert report.findings["stuck workflows"]["cause"] == "`temporal port` failed"
    assert "database.url: nothing given" in report.fault("database")
    assert "Connection refused" in report.fault("api")
    assert "trenova api" in report.fault("api")


@pytest.mark.parametrize(("file", "command"), [("dev.json", "`make dev`"), ("embedded.json", "`make run`")])
def test_the_next_step_for_a_dead_database_of_the_data_folder_is_to_start_what_runs_it(
    newcomer: User, file: str, command: str
) -> None:
    newcomer.data_dir.mkdir()
    address = {"api_key": "k", "database_url": "postgresql://trenova:secret@127.0.0.1:1/trenova"}
    (newcomer.data_dir / file).write_text(json.dumps({"api_url": f"http://127.0.0.1:{choose()}", **address}))
    report = report_of(newcomer("doctor", "--json", stdin=b"", **{HOST: "127.0.0.1:1"}))
    assert command in report.fault("database")
    elsewhere = {"TRENOVA_DATABASE__URL": "postgresql://trenova:secret@127.0.0.1:2/trenova"}
    report = report_of(newcomer("doctor", "--json", stdin=b"", **{HOST: "127.0.0.1:1", **elsewhere}))
    assert command not in report.fault("database")


def test_a_name_server_that_does_not_answer_is_not_waited_for(newcomer: User, tmp_path: Path) -> None:
    silent = shim(SHIMS / "doctor" / "silent.c", tmp_path)
    everywhere = {HOST: "temporal.silent:7233", "TRENOVA_DATABASE__URL": "postgresql://trenova@database.silent/trenova"}
    before = time.monotonic()
    report = report_of(
        newcomer("doctor", "--json", "--api-url", "http://api.silent", stdin=b"", LD_PRELOAD=silent, **everywhere)
    )
    assert time.monotonic() - before < SILENT_S / 2
    assert "the host name temporal.silent cannot be resolved: no answer within 2.5 s" in report.fault("temporal name")
    assert report.states("failed") == {"temporal name", "database", "api"}


def test_an_unknown_host_is_named(newcomer: User) -> None:
    fault = report_of(newcomer("doctor", "--json", stdin=b"", **{HOST: "temporal.invalid:7233"})).fault("temporal name")
    assert fault.startswith("failed to dial temporal client at temporal.invalid:7233: the host name temporal.invalid")
    assert "DNS" in fault


async def test_a_missing_namespace_is_named(site: Site) -> None:
    report = await doctor(site, **{NAMESPACE: "elsewhere"})
    assert report.exit_code == 12
    fault = report.fault("temporal namespace")
    assert "the namespace elsewhere does not exist: Namespace elsewhere is not found." in fault
    assert "temporal operator namespace create --namespace elsewhere" in fault
    assert report.findings["temporal dial"]["state"] == "ok"


async def test_tls_to_a_port_without_tls_is_named(site: Site) -> None:
    report = await doctor(site, TRENOVA_TEMPORAL__TLS__ENABLED="true")
    assert report.exit_code == 12
    assert "TLS is on in our settings because temporal.tls turns it on" in report.fault("temporal TLS")


async def test_a_port_with_tls_and_what_is_wrong_with_its_certificate_are_named(site: Site, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    expired_pair = authority.issue("server", ends_in=timedelta(days=-1))
    async with tls_front(site.temporal.address, expired_pair) as address:
        off = await doctor(site, **{HOST: address})
        assert "the server requires TLS, and TLS is off in our settings" in off.fault("temporal TLS")
        tls = {"TRENOVA_TEMPORAL__TLS__CA_FILE": str(authority.certificate)}
        expired = await doctor(site, **{HOST: address}, **tls)
        assert "the server's certificate is not valid at this time: certificate has expired" in expired.fault(
            "temporal TLS"
        )
        unknown = await doctor(site, **{HOST: address}, TRENOVA_TEMPORAL__TLS__ENABLED="true")
        assert "temporal.tls.caFile" in unknown.fault("temporal TLS")


async def test_a_port_that_does_not_answer_is_named(site: Site) -> None:
    # The kernel accepts the connection, and no program reads from it.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        report = await doctor(site, **{HOST: address})
    fault = report.fault("temporal TLS")
    assert fault.startswith(
        f"failed to dial temporal client at {address}: the server accepts connections but does not answer"
    )
    assert report.findings["workers"]["cause"] == "`temporal TLS` failed"


async def test_a_revoked_api_key_is_named(site: Site, database: Postgres) -> None:
    async with Store.open(database.operator_url) as store:
        made = await store.api_keys.create(tenant=None, role="reader", name="doctor", by="test")
        await store.api_keys.revoke(made.id, by="test")
    report = await doctor(site, TRENOVA_API_KEY=made.text)
    assert report.exit_code == 16
    fault = report.fault("api key")
    assert fault.startswith("the API key is unknown or revoked")
    assert "trenova api-key create" in fault
    assert made.text not in str(report)


@pytest.mark.parametrize("text", ["trn_of_windows\r", "trn_é"])
async def test_an_api_key_that_cannot_be_sent_is_named_and_never_shown(site: Site, text: str) -> None:
    report = await doctor(site, TRENOVA_API_KEY=text)
    assert report.exit_code == 16
    assert report.fault("api key").startswith("the API key contains a line end or another character")
    assert report.findings["api readiness"]["state"] == "ok"
    assert text.strip() not in str(report)


async def test_a_missing_encryption_key_is_named_in_the_words_of_the_symptom(site: Site) -> None:
    report = await doctor(site, **ENABLED)
    assert report.exit_code == 14
    fault = report.fault("encryption keys")
    assert fault.startswith("encryption key not found for ID: default")
    assert "TEMPORAL_ENCRYPTION_KEY" in fault
    assert "trenova keys generate" in fault
    assert report.findings["keys of open workflows"]["cause"] == "`encryption keys` failed"


async def test_keys_that_contradict_the_settings_are_named(site: Site) -> None:
    report = await doctor(site, **STRICT, TEMPORAL_ENCRYPTION_KEY="0123456789")
    fault = report.fault("encryption keys")
    assert "requireEncryption: true with enableEncryption: false" in fault
    assert "has 10 characters" in fault
    assert "0123456789" not in str(report)


async def test_an_unreachable_database_is_named_without_its_password(site: Site) -> None:
    report = await doctor(site, TRENOVA_DATABASE__URL="postgresql://trenova:hunter2@127.0.0.1:1/trenova")
    assert report.exit_code == 13
    fault = report.fault("database")
    assert fault.startswith("the database is unreachable: ")
    assert "start PostgreSQL, or correct database.url" in fault
    assert "hunter2" not in str(report)
    assert report.findings["parked entries"]["cause"] == "`database` failed"


async def test_a_database_that_accepts_no_connections_is_named_with_the_next_step_for_its_reason(
    site: Site, owner: Owner
) -> None:
    await owner.execute(f"ALTER ROLE {logins.OPERATOR.name} CONNECTION LIMIT 0".encode())
    try:
        full = (await doctor(site)).fault("database")
    finally:
        await owner.execute(f"ALTER ROLE {logins.OPERATOR.name} CONNECTION LIMIT -1".encode())
    assert "too many connections for role" in full
    assert "raise max_connections or the login's limit" in full
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://trenova:secret@127.0.0.1:{silent.getsockname()[1]}/trenova"
        report = await doctor(site, TRENOVA_DATABASE__URL=url)
    assert report.exit_code == 13
    assert "check whether its machine or its disk hangs" in report.fault("database")


async def test_a_schema_that_is_too_old_is_named(site: Site, owner: Owner) -> None:
    old, needed = schema.revisions()[-2:]
    await owner.execute("UPDATE schema_version SET version_num = %s", [old])
    try:
        # The API checks the schema every few seconds.
        report = await doctor_until(site, lambda report: report.findings["api readiness"]["state"] == "failed")
    finally:
        await owner.execute("UPDATE schema_version SET version_num = %s", [needed])
    assert report.exit_code == 13
    fault = report.fault("database schema")
    assert fault.startswith(f"the database schema is {old}, this program needs {needed}")
    assert "trenova migrate" in fault
    readiness = report.fault("api readiness")
    assert readiness.startswith(f"the API is not ready: database: the database schema is {old}")
    assert readiness.endswith("follows from `database schema`: fix that first")


async def test_a_checkpoint_that_a_witness_declined_or_that_contradicts_the_published_one_is_named(
    site: Site, owner: Owner, tmp_path: Path
) -> None:
    witness = Signer(name="witness.example.com/w1", seed=bytes(32), algorithm=COSIGNATURE).key
    settings = {
        "TRENOVA_LEDGER__WITNESSES": json.dumps([{"url": "http://127.0.0.1:1", "key": witness.text}]),
        "TRENOVA_LEDGER__PUBLISH_FOLDER": str(tmp_path),
    }
    for number, where in enumerate((f"{witness.name}+{witness.id.hex()}", "folder")):
        await owner.execute(
            "INSERT INTO refused_checkpoints (origin, place, number, size, note, status, answer, reason)"
            " VALUES (%s, %s, 1, 7, '', 422, '', %s)",
            [f"{LedgerSettings().origin}/acme", where, f"reason {number}"],
        )
    report = await doctor(site, **settings)
    await owner.execute("UPDATE refused_checkpoints SET settled_at = now()")
    assert "acme, declined by witness.example.com/w1: reason 0" in report.fault("witnesses")
    assert "acme, contradicts the published checkpoint: reason 1" in report.fault("published checkpoints")
    assert report.exit_code == 17


async def test_missing_and_superfluous_rights_are_named(site: Site, database: Postgres, owner: Owner) -> None:
    await owner.execute("REVOKE INSERT ON entries FROM trenova_worker")
    try:
        report = await doctor(site, TRENOVA_DATABASE__URL=database.worker_url)
    finally:
        await owner.execute("GRANT INSERT ON entries TO trenova_worker")
    assert report.exit_code == 13
    assert report.fault("database rights").startswith("the login lacks INSERT on entries")
    await owner.execute("GRANT UPDATE, DELETE ON entries TO trenova_worker")
    try:
        report = await doctor(site, TRENOVA_DATABASE__URL=database.worker_url)
    finally:
        await owner.execute("REVOKE UPDATE, DELETE ON entries FROM trenova_worker")
    assert report.exit_code == 13
    fault = report.fault("database rights", "warning")
    assert "more rights than it needs: DELETE on entries, UPDATE on entries" in fault
    assert "grant of DELETE on table entries to trenova_worker: expected none" in report.fault("database objects")
    report = await doctor(site, TRENOVA_DATABASE__URL=database.owner_url)
    assert "SUPERUSER" in report.fault("database rights", "warning")


async def test_a_read_only_database_is_named(site: Site, owner: Owner) -> None:
    await owner.execute(f"ALTER ROLE {logins.OPERATOR.name} SET default_transaction_read_only = on".encode())
    try:
        report = await doctor(site)
    finally:
        await owner.execute(f"ALTER ROLE {logins.OPERATOR.name} RESET default_transaction_read_only".encode())
    assert report.exit_code == 13
    assert "default_transaction_read_only" in report.fault("database writes")


async def test_a_full_disk_is_named(site: Site, tmp_path: Path) -> None:
    full = shim(SHIMS / "doctor" / "full.c", tmp_path)
    report = await doctor(site, LD_PRELOAD=full, TRENOVA_LEDGER__PUBLISH_FOLDER=str(tmp_path))
    assert report.exit_code == 11
    fault = report.fault("disk")
    assert fault.startswith(f"disk full: 0 MiB are free for ledger.publishFolder ({tmp_path})")
    assert "free some space" in fault


@pytest.mark.parametrize(("seconds", "words"), [(3600, "behind"), (-3600, "ahead of")])
async def test_clock_skew_is_named_and_misleads_no_other_check(
    site: Site, tmp_path: Path, seconds: int, words: str
) -> None:
    (tmp_path / "shift").write_text(str(seconds))
    clock = shim(SHIMS / "clock" / "shifted.c", tmp_path)
    report = await doctor(site, LD_PRELOAD=clock, CLOCK_SHIFT=str(tmp_path / "shift"))
    assert report.exit_code == 11
    for check, whose in (("temporal clock", "Temporal's"), ("database clock", "the database's")):
        fault = report.fault(check)
        assert fault.startswith(f"clock skew: {whose} clock is 3,")
        assert f"s {words} this machine's" in fault
        assert "NTP" in fault
    assert report.findings["workers"]["state"] == "ok"


async def test_pages_that_a_browser_would_not_let_call_the_codec_endpoint_are_named(site: Site) -> None:
    codec = {"TRENOVA_API__CODEC__ENABLED": "true"}
    ours, others = "http://ui.example:8233", "http://other.example:8233"
    beside = replace(site, api_port=choose())
    async with beside.running(["api"], {**codec, "TRENOVA_API__CODEC__UI_ORIGINS": others}):
        report = await doctor(beside, **codec, TRENOVA_API__CODEC__UI_ORIGINS=ours)
        assert report.exit_code == 16
        fault = report.fault("codec endpoint")
        assert fault.startswith(f"CORS: a browser will not let pages of {ours} call the codec endpoint")
        assert f"add {ours} to the API's api.codec.uiOrigins" in fault
        right = await doctor(beside, **codec, TRENOVA_API__CODEC__UI_ORIGINS=others)
        assert right.findings["codec endpoint"]["state"] == "ok"
    # The API of this place has no codec endpoint.
    report = await doctor(site, **codec, TRENOVA_API__CODEC__UI_ORIGINS=ours)
    assert "serves no codec endpoint" in report.fault("codec endpoint")


async def test_parked_entries_are_counted(site: Site, database: Postgres) -> None:
    async with poison_rule(database.owner_url):
        answer = await site.store({**entry(action=POISON), "tenant": new_tenant()}, status=207)
        assert answer.json()["entries"][0]["state"] == "parked", answer.text
    report = await doctor(site)
    assert report.exit_code == 3
    fault = report.fault("parked entries", "warning")
    assert fault.startswith("the database rejected 1 entry, the oldest ")
    assert "trenova dead-letters list" in fault


async def test_files_left_in_a_spool_are_named(site: Site, tmp_path: Path) -> None:
    spool = {"TRENOVA_API__SPOOL__FOLDER": str(tmp_path)}
    (tmp_path / "one.batch").write_bytes(b"")
    assert "1 batch waits for Temporal" in (await doctor(site, **spool)).fault("spool", "warning")
    (tmp_path / "two.damaged").write_bytes(b"")
    report = await doctor(site, **spool)
    assert report.exit_code == 11
    assert report.fault("spool").startswith("1 damaged file in")


async def test_a_signing_key_other_than_that_of_the_ledgers_is_named(site: Site, tmp_path: Path) -> None:
    await site.store({**entry(), "tenant": new_tenant()})
    (tmp_path / "key").write_text((await site.command("keys", "generate", "--signing", "--json")).json["key"])
    other = {"TRENOVA_SIGNING_KEY": "", "TRENOVA_LEDGER__SIGNING_KEY_FILE": str(tmp_path / "key")}
    report = await doctor(site, **other)
    assert report.exit_code == 17
    assert "without a signature of this key" in report.fault("signing key")
    assert "no worker starts without one" in (await doctor(site, TRENOVA_SIGNING_KEY="")).fault(
        "signing key", "warning"
    )


async def test_a_paused_schedule_is_named(site: Site) -> None:
    toggle = ("schedule", "toggle", "--schedule-id", "trenova-verify", "--reason", "test")
    assert (await site.cli(*toggle, "--pause")).exit_code == 0
    report = await doctor(site)
    assert "paused: trenova-verify" in report.fault("schedules", "warning")
    assert (await site.cli(*toggle, "--unpause")).exit_code == 0


async def test_a_changed_schedule_is_named_and_restored_by_the_next_worker(site: Site) -> None:
    changed = ("schedule", "update", "--schedule-id", "trenova-reconcile", "--workflow-id", "trenova-reconcile")
    yearly = ("--cron", "0 3 1 1 *", "--task-queue", "elsewhere", "--type", "ReconcileWorkflow")
    ended = await site.cli(*changed, *yearly, "--remaining-actions", "1")
    assert ended.exit_code == 0, ended
    report = await doctor(site)
    assert report.exit_code == 17
    fault = report.fault("schedules")
    assert "trenova-reconcile (what it starts, when, limit of runs)" in fault
    async with site.running(["worker"], {}):
        await doctor_until(site, lambda report: report.findings["schedules"]["state"] == "ok")


async def test_a_ledger_that_was_tampered_with_is_named(site: Site, owner: Owner) -> None:
    tenant = new_tenant()
    await site.store({**entry(), "tenant": tenant})
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute("UPDATE entries SET body = body || '\\x20' WHERE tenant = %s", [tenant])
    trigger = ("schedule", "trigger", "--schedule-id", "trenova-verify")
    assert (await site.cli(*trigger)).exit_code == 0
    report = await doctor_until(site, lambda report: report.findings["verification"]["state"] != "ok")
    assert report.exit_code == 17
    fault = report.fault("verification")
    assert f"1 damaged place was found: {tenant}: entry 0: expected" in fault
    assert "trenova verify --live" in fault
