"""Faults in settings, and in parts that are mended afterwards: each is named with its cause and its next step."""

import asyncio
import json
import socket
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from acceptance.conftest import LIMIT_S, User
from acceptance.doctor.conftest import SHIMS, doctor, shim, told
from acceptance.encrypted import ENABLED, STRICT, Site
from certificates import Authority
from conftest import new_tenant
from examples import entry
from fronts import tls_front
from poison import POISON, rule_of
from trenova.config import LedgerSettings
from trenova.dev.ports import choose
from trenova.dev.postgres import Postgres
from trenova.ledger.note import COSIGNATURE
from trenova.ledger.signing import Signer
from trenova.runtime.installation import logins
from trenova.store import Store, schema

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
SILENT_S = 60  # as in silent.c
HOST, NAMESPACE = "TRENOVA_TEMPORAL__HOST_PORT", "TRENOVA_TEMPORAL__NAMESPACE"


def test_settings_that_cannot_be_read_are_one_failure_and_nothing_else_is_asked(stranger: User) -> None:
    found = told(stranger("doctor", "--json", stdin=b"", TRENOVA_API__PORT="x", TRENOVA_NO_SUCH="1"))
    assert found.exit_code == 10
    assert "TRENOVA_NO_SUCH: there is no such setting; api.port: 'x' given" in found.fault("configuration")
    assert found.states("not checked") == found.findings.keys() - {"configuration"}
    assert {each["cause"] for each in found.findings.values() if each["state"] == "not checked"} == {
        "`configuration` failed"
    }


def test_with_nothing_there_every_part_is_named_and_nothing_hangs(stranger: User) -> None:
    # Not where another Trenova of this machine may listen.
    port = str(choose())
    found = told(stranger("doctor", "--json", stdin=b"", TRENOVA_API__PORT=port, **{HOST: "127.0.0.1:1"}))
    assert found.exit_code == 12
    fault = found.fault("temporal port")
    assert fault.startswith("failed to dial temporal client at 127.0.0.1:1: no connection")
    assert "temporal.hostPort" in fault
    assert found.findings["stuck workflows"]["state"] == "not checked"
    assert found.findings["stuck workflows"]["cause"] == "`temporal port` failed"
    assert "database.url: nothing given" in found.fault("database")
    assert "Connection refused" in found.fault("api")
    assert "trenova api" in found.fault("api")


@pytest.mark.parametrize(("file", "command"), [("dev.json", "`make dev`"), ("embedded.json", "`make run`")])
def test_the_next_step_for_a_dead_database_of_the_data_folder_is_to_start_what_runs_it(
    stranger: User, file: str, command: str
) -> None:
    stranger.data_dir.mkdir()
    address = {"api_key": "k", "database_url": "postgresql://trenova:secret@127.0.0.1:1/trenova"}
    (stranger.data_dir / file).write_text(json.dumps({"api_url": f"http://127.0.0.1:{choose()}", **address}))
    found = told(stranger("doctor", "--json", stdin=b"", **{HOST: "127.0.0.1:1"}))
    assert command in found.fault("database")
    elsewhere = {"TRENOVA_DATABASE__URL": "postgresql://trenova:secret@127.0.0.1:2/trenova"}
    found = told(stranger("doctor", "--json", stdin=b"", **{HOST: "127.0.0.1:1", **elsewhere}))
    assert command not in found.fault("database")


def test_a_name_server_that_does_not_answer_is_not_waited_for(stranger: User, tmp_path: Path) -> None:
    silent = shim(SHIMS / "doctor" / "silent.c", tmp_path)
    everywhere = {HOST: "temporal.silent:7233", "TRENOVA_DATABASE__URL": "postgresql://trenova@database.silent/trenova"}
    before = time.monotonic()
    found = told(
        stranger("doctor", "--json", "--api-url", "http://api.silent", stdin=b"", LD_PRELOAD=silent, **everywhere)
    )
    assert time.monotonic() - before < SILENT_S / 2
    assert "the name temporal.silent is unknown here: no answer within 2.5 s" in found.fault("temporal name")
    assert found.states("failed") == {"temporal name", "database", "api"}


def test_a_host_that_nobody_knows_is_named(stranger: User) -> None:
    fault = told(stranger("doctor", "--json", stdin=b"", **{HOST: "temporal.invalid:7233"})).fault("temporal name")
    assert fault.startswith("failed to dial temporal client at temporal.invalid:7233: the name temporal.invalid")
    assert "DNS" in fault


async def test_a_namespace_that_is_not_there_is_named(place: Site) -> None:
    found = await doctor(place, **{NAMESPACE: "elsewhere"})
    assert found.exit_code == 12
    fault = found.fault("temporal namespace")
    assert "there is no namespace elsewhere: Namespace elsewhere is not found." in fault
    assert "temporal operator namespace create --namespace elsewhere" in fault
    assert found.findings["temporal dial"]["state"] == "ok"


async def test_tls_towards_a_port_without_it_is_named(place: Site) -> None:
    found = await doctor(place, TRENOVA_TEMPORAL__TLS__ENABLED="true")
    assert found.exit_code == 12
    assert "TLS is on here, because temporal.tls says so, and the port does not" in found.fault("temporal TLS")


async def test_a_port_with_tls_and_what_is_wrong_with_its_certificate_are_named(place: Site, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    expired_pair = authority.issue("server", ends_in=timedelta(days=-1))
    async with tls_front(place.temporal.address, expired_pair) as address:
        off = await doctor(place, **{HOST: address})
        assert "the port speaks TLS, and TLS is off here" in off.fault("temporal TLS")
        tls = {"TRENOVA_TEMPORAL__TLS__CA_FILE": str(authority.certificate)}
        expired = await doctor(place, **{HOST: address}, **tls)
        assert "the server's certificate is not good at this time: certificate has expired" in expired.fault(
            "temporal TLS"
        )
        unknown = await doctor(place, **{HOST: address}, TRENOVA_TEMPORAL__TLS__ENABLED="true")
        assert "temporal.tls.caFile" in unknown.fault("temporal TLS")


async def test_a_port_where_nobody_answers_is_named(place: Site) -> None:
    # The system accepts for whoever listens, and nobody takes it.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        found = await doctor(place, **{HOST: address})
    fault = found.fault("temporal TLS")
    assert fault.startswith(f"failed to dial temporal client at {address}: it accepts connections, and does not answer")
    assert found.findings["workers"]["cause"] == "`temporal TLS` failed"


async def test_a_revoked_api_key_is_named(place: Site, database: Postgres) -> None:
    async with Store.open(database.operator_url) as store:
        made = await store.api_keys.create(tenant=None, role="reader", name="doctor", by="test")
        await store.api_keys.revoke(made.id, by="test")
    found = await doctor(place, TRENOVA_API_KEY=made.text)
    assert found.exit_code == 16
    fault = found.fault("api key")
    assert fault.startswith("the API key is unknown or revoked")
    assert "trenova api-key create" in fault
    assert made.text not in str(found)


async def test_a_missing_encryption_key_is_named_in_the_words_of_the_symptom(place: Site) -> None:
    found = await doctor(place, **ENABLED)
    assert found.exit_code == 14
    fault = found.fault("encryption keys")
    assert fault.startswith("encryption key not found for ID: default")
    assert "TEMPORAL_ENCRYPTION_KEY" in fault
    assert "trenova keys generate" in fault
    assert found.findings["keys of open workflows"]["cause"] == "`encryption keys` failed"


async def test_keys_that_contradict_the_settings_are_named(place: Site) -> None:
    found = await doctor(place, **STRICT, TEMPORAL_ENCRYPTION_KEY="0123456789")
    fault = found.fault("encryption keys")
    assert "requireEncryption: true with enableEncryption: false" in fault
    assert "has 10 characters" in fault
    assert "0123456789" not in str(found)


async def test_a_database_that_is_away_is_named_without_its_password(place: Site) -> None:
    found = await doctor(place, TRENOVA_DATABASE__URL="postgresql://trenova:hunter2@127.0.0.1:1/trenova")
    assert found.exit_code == 13
    fault = found.fault("database")
    assert fault.startswith("the database is away: ")
    assert "start PostgreSQL, or correct database.url" in fault
    assert "hunter2" not in str(found)
    assert found.findings["parked entries"]["cause"] == "`database` failed"


async def test_a_database_that_lets_nobody_in_is_named_with_the_next_step_for_its_reason(
    place: Site, owner: Owner
) -> None:
    await owner.execute(f"ALTER ROLE {logins.OPERATOR.name} CONNECTION LIMIT 0".encode())
    try:
        full = (await doctor(place)).fault("database")
    finally:
        await owner.execute(f"ALTER ROLE {logins.OPERATOR.name} CONNECTION LIMIT -1".encode())
    assert "too many connections for role" in full
    assert "raise max_connections or the login's limit" in full
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://trenova:secret@127.0.0.1:{silent.getsockname()[1]}/trenova"
        found = await doctor(place, TRENOVA_DATABASE__URL=url)
    assert found.exit_code == 13
    assert "look at its machine and its disk for what hangs" in found.fault("database")


async def test_a_schema_that_is_too_old_is_named(place: Site, owner: Owner) -> None:
    old, needed = schema.revisions()[-2:]
    await owner.execute("UPDATE schema_version SET version_num = %s", [old])
    try:
        found = await doctor(place)
    finally:
        await owner.execute("UPDATE schema_version SET version_num = %s", [needed])
    assert found.exit_code == 13
    fault = found.fault("database schema")
    assert fault.startswith(f"the database schema is {old}, this program needs {needed}")
    assert "trenova migrate" in fault
    readiness = found.fault("api readiness")
    assert readiness.startswith(f"the API is not ready: database: the database schema is {old}")
    assert readiness.endswith("follows from `database schema`: fix that first")


async def test_a_log_that_a_witness_or_what_is_published_contradicts_is_named(
    place: Site, owner: Owner, tmp_path: Path
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
    found = await doctor(place, **settings)
    await owner.execute("UPDATE refused_checkpoints SET settled_at = now()")
    assert "acme, declined by witness.example.com/w1: reason 0" in found.fault("witnesses")
    assert "acme, contradicts the published checkpoint: reason 1" in found.fault("published checkpoints")
    assert found.exit_code == 17


async def test_rights_that_are_missing_and_rights_that_are_too_many_are_named(
    place: Site, database: Postgres, owner: Owner
) -> None:
    await owner.execute("REVOKE INSERT ON entries FROM trenova_worker")
    try:
        found = await doctor(place, TRENOVA_DATABASE__URL=database.worker_url)
    finally:
        await owner.execute("GRANT INSERT ON entries TO trenova_worker")
    assert found.exit_code == 13
    assert found.fault("database rights").startswith("the login lacks INSERT on entries")
    await owner.execute("GRANT UPDATE, DELETE ON entries TO trenova_worker")
    try:
        found = await doctor(place, TRENOVA_DATABASE__URL=database.worker_url)
    finally:
        await owner.execute("REVOKE UPDATE, DELETE ON entries FROM trenova_worker")
    assert found.exit_code == 13
    assert "more than it needs: DELETE on entries, UPDATE on entries" in found.fault("database rights", "warning")
    assert "grant of DELETE on table entries to trenova_worker: expected none" in found.fault("database objects")
    found = await doctor(place, TRENOVA_DATABASE__URL=database.owner_url)
    assert "SUPERUSER" in found.fault("database rights", "warning")


async def test_a_database_that_only_reads_is_named(place: Site, owner: Owner) -> None:
    await owner.execute(f"ALTER ROLE {logins.OPERATOR.name} SET default_transaction_read_only = on".encode())
    try:
        found = await doctor(place)
    finally:
        await owner.execute(f"ALTER ROLE {logins.OPERATOR.name} RESET default_transaction_read_only".encode())
    assert found.exit_code == 13
    assert "default_transaction_read_only" in found.fault("database writes")


async def test_a_full_disk_is_named(place: Site, tmp_path: Path) -> None:
    full = shim(SHIMS / "doctor" / "full.c", tmp_path)
    found = await doctor(place, LD_PRELOAD=full, TRENOVA_LEDGER__PUBLISH_FOLDER=str(tmp_path))
    assert found.exit_code == 11
    fault = found.fault("disk")
    assert fault.startswith(f"disk full: 0 MiB are free for ledger.publishFolder ({tmp_path})")
    assert "free some space" in fault


@pytest.mark.parametrize(("seconds", "words"), [(3600, "behind"), (-3600, "ahead of")])
async def test_clock_skew_is_named_and_misleads_no_other_check(
    place: Site, tmp_path: Path, seconds: int, words: str
) -> None:
    (tmp_path / "shift").write_text(str(seconds))
    clock = shim(SHIMS / "clock" / "shifted.c", tmp_path)
    found = await doctor(place, LD_PRELOAD=clock, CLOCK_SHIFT=str(tmp_path / "shift"))
    assert found.exit_code == 11
    for check, whose in (("temporal clock", "Temporal's"), ("database clock", "the database's")):
        fault = found.fault(check)
        assert fault.startswith(f"clock skew: {whose} clock is 3,")
        assert f"s {words} this machine's" in fault
        assert "NTP" in fault
    assert found.findings["workers"]["state"] == "ok"


async def test_pages_that_a_browser_would_not_let_call_the_codec_endpoint_are_named(place: Site) -> None:
    codec = {"TRENOVA_API__CODEC__ENABLED": "true"}
    ours, others = "http://ui.example:8233", "http://other.example:8233"
    beside = replace(place, api_port=choose())
    async with beside.running(["api"], {**codec, "TRENOVA_API__CODEC__UI_ORIGINS": others}):
        found = await doctor(beside, **codec, TRENOVA_API__CODEC__UI_ORIGINS=ours)
        assert found.exit_code == 16
        fault = found.fault("codec endpoint")
        assert fault.startswith(f"CORS: a browser will not let pages of {ours} call the codec endpoint")
        assert f"add {ours} to the API's api.codec.uiOrigins" in fault
        right = await doctor(beside, **codec, TRENOVA_API__CODEC__UI_ORIGINS=others)
        assert right.findings["codec endpoint"]["state"] == "ok"
    # The API of this place has none.
    found = await doctor(place, **codec, TRENOVA_API__CODEC__UI_ORIGINS=ours)
    assert "serves no codec endpoint" in found.fault("codec endpoint")


async def test_parked_entries_are_counted(place: Site, database: Postgres) -> None:
    async with rule_of(database.owner_url):
        answer = await place.store({**entry(action=POISON), "tenant": new_tenant()}, status=207)
        assert answer.json()["entries"][0]["state"] == "parked", answer.text
    found = await doctor(place)
    assert found.exit_code == 3
    fault = found.fault("parked entries", "warning")
    assert fault.startswith("the database rejected 1 entry, the oldest ")
    assert "trenova dead-letters list" in fault


async def test_what_is_left_in_a_spool_is_named(place: Site, tmp_path: Path) -> None:
    spool = {"TRENOVA_API__SPOOL__FOLDER": str(tmp_path)}
    (tmp_path / "one.batch").write_bytes(b"")
    assert "1 batch waits for Temporal" in (await doctor(place, **spool)).fault("spool", "warning")
    (tmp_path / "two.damaged").write_bytes(b"")
    found = await doctor(place, **spool)
    assert found.exit_code == 11
    assert found.fault("spool").startswith("1 damaged file in")


async def test_a_signing_key_that_is_not_that_of_the_logs_is_named(place: Site, tmp_path: Path) -> None:
    await place.store({**entry(), "tenant": new_tenant()})
    (tmp_path / "key").write_text((await place.command("keys", "generate", "--signing", "--json")).json["key"])
    other = {"TRENOVA_SIGNING_KEY": "", "TRENOVA_LEDGER__SIGNING_KEY_FILE": str(tmp_path / "key")}
    found = await doctor(place, **other)
    assert found.exit_code == 17
    assert "without a signature of this key" in found.fault("signing key")
    assert "no worker starts without one" in (await doctor(place, TRENOVA_SIGNING_KEY="")).fault(
        "signing key", "warning"
    )


async def test_a_schedule_that_is_paused_or_missing_is_named(place: Site) -> None:
    toggle = ("schedule", "toggle", "--schedule-id", "trenova-verify", "--reason", "test")
    assert (await place.cli(*toggle, "--pause")).exit_code == 0
    found = await doctor(place)
    assert "paused: trenova-verify" in found.fault("schedules", "warning")
    assert (await place.cli(*toggle, "--unpause")).exit_code == 0


async def test_a_schedule_that_somebody_has_changed_is_named_and_put_right_by_the_next_worker(place: Site) -> None:
    changed = ("schedule", "update", "--schedule-id", "trenova-reconcile", "--workflow-id", "trenova-reconcile")
    yearly = ("--cron", "0 3 1 1 *", "--task-queue", "elsewhere", "--type", "ReconcileWorkflow")
    ended = await place.cli(*changed, *yearly, "--remaining-actions", "1")
    assert ended.exit_code == 0, ended
    found = await doctor(place)
    assert found.exit_code == 17
    fault = found.fault("schedules")
    assert "trenova-reconcile (what it starts, when, limit of runs)" in fault
    async with place.running(["worker"], {}), asyncio.timeout(LIMIT_S):
        while (found := await doctor(place)).findings["schedules"]["state"] != "ok":
            pass


async def test_a_log_that_was_tampered_with_is_named(place: Site, owner: Owner) -> None:
    tenant = new_tenant()
    await place.store({**entry(), "tenant": tenant})
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute("UPDATE entries SET body = body || '\\x20' WHERE tenant = %s", [tenant])
    trigger = ("schedule", "trigger", "--schedule-id", "trenova-verify")
    assert (await place.cli(*trigger)).exit_code == 0
    async with asyncio.timeout(LIMIT_S):
        while (found := await doctor(place)).findings["verification"]["state"] == "ok":
            pass
    assert found.exit_code == 17
    fault = found.fault("verification")
    assert f"1 damaged place was found: {tenant}: entry 0: expected" in fault
    assert "trenova verify --live" in fault
