"""`trenova evidence` and `trenova verify`: from the database to a file, and from the file to a verdict anywhere."""

import gzip
import json
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from acceptance.conftest import CommandResult, Dev, User
from conftest import new_tenant
from contract.store.ledger_check import REMOVE
from trenova.config import Settings
from trenova.keys.signing import load_signer
from trenova.ledger import signing
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.note import COSIGNATURE, parse
from trenova.ledger.signing import Signer
from waiting import until

pytestmark = pytest.mark.long

STANDALONE = Path(__file__).parents[2] / "src/trenova/ledger/evidence/verify_evidence.py"
COUNT = 600


@pytest.fixture(scope="module")
def log(dev: Dev, tmp_path_factory: pytest.TempPathFactory) -> User:
    """A tenant with 600 untampered entries, stored by two requests."""
    user = User(tmp_path_factory.mktemp("log"), dev.data_dir, new_tenant())
    for count in (250, COUNT - 250):
        user.add(*({"comment": f"entry {number}"} for number in range(count)))
    return user


@pytest.fixture(scope="module")
def signer(dev: Dev) -> LedgerSigner:
    file = dev.data_dir / "secrets" / "signing-key"
    return load_signer(Settings.model_validate({"ledger": {"signingKeyFile": file}}), {})


@pytest.fixture(scope="module")
def key(log: User, signer: LedgerSigner) -> str:
    return signer.keys(log.tenant)[0].text


@pytest.fixture
async def owner(dev: Dev) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    """A superuser of the database of `trenova dev`."""
    folder = dev.data_dir / "secrets" / "postgres-owner"
    port = psycopg.conninfo.conninfo_to_dict(dev.state["database_url"])["port"]
    url = f"postgresql://trenova_owner:{folder.read_text().strip()}@127.0.0.1:{port}/trenova"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SET session_replication_role = replica")
        yield connection


def write_evidence(user: User, name: str, *words: str) -> Path:
    ended = user("evidence", "--tenant", user.tenant, "-o", name, *words)
    assert ended.exit_code == 0, ended
    return user.folder / name


def kinds(ended: CommandResult) -> list[tuple[str, int | None]]:
    return [(one["kind"], one["first"]) for one in ended.json["damages"]]


@pytest.mark.parametrize("name", ["whole.evidence", "whole.evidence.gz"])
def test_a_whole_ledger_is_written_and_verified_by_both_verifiers(log: User, key: str, name: str) -> None:
    summary = log("evidence", "--tenant", log.tenant, "-o", name, "--json").json
    file = log.folder / name
    assert (summary["first"], summary["entries"], summary["size"]) == (0, COUNT, COUNT)
    assert summary["bytes"] == file.stat().st_size
    assert (file.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")
    ended = log("verify", name, "--key", key)
    assert ended.exit_code == 0, ended
    assert ended.lines[0].startswith(f"{name}: proved: {COUNT} entries from 0 of the ledger ")
    alone = subprocess.run(
        [sys.executable, STANDALONE, file, "--key", key], capture_output=True, text=True, check=False
    )
    assert alone.returncode == 0, alone.stdout
    assert [f"{name}: {line}" for line in alone.stdout.splitlines()] == ended.lines


NO_NETWORK = """
import sys

def refuse(event, args):
    if event == "socket.getaddrinfo" or event == "socket.connect" and isinstance(args[1], tuple):
        raise OSError("there is no network")

sys.addaudithook(refuse)
"""


def test_a_file_is_verified_without_a_network(log: User, key: str, tmp_path: Path) -> None:
    """The ban holds in every process that it starts, and stops a command that does need the network."""
    write_evidence(log, "offline.evidence")
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK)
    assert log("verify", "offline.evidence", "--key", key, PYTHONPATH=str(tmp_path)).exit_code == 0
    assert log("entries", PYTHONPATH=str(tmp_path)).exit_code != 0


def test_without_a_key_the_verdict_is_consistent_and_not_proved(log: User) -> None:
    write_evidence(log, "nokey.evidence")
    ended = log("verify", "nokey.evidence")
    assert ended.exit_code == 3
    assert ended.out.startswith("nokey.evidence: consistent, but signed by a key that nobody vouched for: ")
    assert "proved" not in ended.out
    verdict = log("verify", "nokey.evidence", "--json").json
    assert (verdict["verdict"], verdict["trusted_key"]) == ("consistent", False)
    alone = subprocess.run(
        [sys.executable, STANDALONE, log.folder / "nokey.evidence"], capture_output=True, check=False
    )
    assert alone.returncode == 3
    assert [f"nokey.evidence: {line}" for line in alone.stdout.decode().splitlines()] == ended.lines


@pytest.mark.parametrize(
    ("words", "first", "count"),
    [
        (("--from", "255", "--to", "513"), 255, 258),
        (("--from", "590"), 590, 10),
        (("--to", "1"), 0, 1),
        (("--from", "600"), 600, 0),
        (("--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00+01:00"), 0, COUNT),
    ],
)
def test_a_range_is_named_by_indexes_or_times(
    log: User, key: str, words: tuple[str, ...], first: int, count: int
) -> None:
    write_evidence(log, "range.evidence", *words)
    verdict = log("verify", "range.evidence", "--key", key, "--json").json
    assert verdict["holds"]
    assert (verdict["first"], verdict["count"], verdict["entries"]) == (first, count, count)


def test_a_time_includes_exactly_the_entries_received_by_then(log: User, key: str) -> None:
    file = write_evidence(log, "all.evidence")
    second_request = [
        json.loads(line)["body"]["received_at"] for line in file.read_text().splitlines() if '"index":250,' in line
    ]
    write_evidence(log, "late.evidence", "--from", second_request[0])
    assert log("verify", "late.evidence", "--key", key, "--json").json["first"] == 250
    write_evidence(log, "early.evidence", "--to", second_request[0])
    assert log("verify", "early.evidence", "--key", key, "--json").json["count"] == 250


def test_the_ledger_is_proved_to_extend_an_older_checkpoint(log: User, key: str) -> None:
    older = log.folder / "older.checkpoint"
    header = json.loads(write_evidence(log, "now.evidence", "--from", "580").read_text().splitlines()[0])
    older.write_text(header["checkpoint"])
    log.add({})
    write_evidence(log, "then.evidence", "--from", "580", "--known", "older.checkpoint")
    assert log("verify", "then.evidence", "--key", key, "--known", "older.checkpoint").exit_code == 0
    write_evidence(log, "untied.evidence", "--from", "580")
    ended = log("verify", "untied.evidence", "--key", key, "--known", "older.checkpoint", "--json")
    assert (ended.exit_code, kinds(ended)) == (1, [("unproved", None)])


def test_a_rollback_and_a_fork_are_detected_by_an_earlier_checkpoint(log: User, key: str, signer: LedgerSigner) -> None:
    """Both are signed with the ledger's own key: only a reader with an earlier checkpoint can detect it."""
    write_evidence(log, "today.evidence")
    newer, fork = log.folder / "newer.checkpoint", log.folder / "fork.checkpoint"
    newer.write_bytes(signer.sign(log.tenant, size=10_000, root=bytes(32)))
    fork.write_bytes(signer.sign(log.tenant, size=300, root=bytes(32)))
    assert (
        kinds(log("verify", "today.evidence", "--key", key, "--known", "newer.checkpoint", "--json"))[0][0] == "older"
    )
    assert kinds(log("verify", "today.evidence", "--key", key, "--known", "fork.checkpoint", "--json"))[0][0] == (
        "inconsistent"
    )
    live = log("verify", "--live", "--tenant", log.tenant, "--known", "newer.checkpoint", "--known", "fork.checkpoint")
    assert live.exit_code == 1
    assert "head: expected 10000 entries or more, as your checkpoint 10000 says" in live.out
    assert "your checkpoint 300: expected the root" in live.out
    refused = log("evidence", "--tenant", log.tenant, "-o", "no.evidence", "--known", "newer.checkpoint")
    assert "had 10000 by the given checkpoint" in refused.error_and_hint()[0]


def test_damage_in_a_file_is_named_and_the_exit_code_is_1(log: User, key: str) -> None:
    file = write_evidence(log, "spoiled.evidence")
    file.write_bytes(file.read_bytes().replace(b"entry 77", b"entry 78"))
    ended = log("verify", "spoiled.evidence", "--key", key)
    assert ended.exit_code == 1
    assert "changed: entry " in ended.out
    assert ended.lines[-1] == "spoiled.evidence: NOT PROVED: 2 findings"
    assert log("verify", "spoiled.evidence", "nothing.evidence").exit_code == 1
    assert log("verify", "nothing.evidence", "--key", key).exit_code == 2


def test_cosignatures_are_required_and_counted(log: User, key: str) -> None:
    file = write_evidence(log, "cosigned.evidence", "--from", "590")
    witnesses = [Signer(name=f"witness.example/{n}", seed=bytes([n]) * 32, algorithm=COSIGNATURE) for n in (1, 2, 3)]
    note = json.loads(file.read_text().splitlines()[0])["checkpoint"]
    cosigned = note.encode()
    for witness in witnesses[:2]:
        cosigned = signing.cosign(parse(cosigned), witness, timestamp=1_800_000_000)
    text, replaced = json.dumps(note, ensure_ascii=False), json.dumps(cosigned.decode(), ensure_ascii=False)
    file.write_text(file.read_text().replace(text, replaced))
    words = [word for witness in witnesses for word in ("--witness", witness.key.text)]
    two = log("verify", "cosigned.evidence", "--key", key, "--cosignatures", "2", *words)
    assert two.exit_code == 0, two
    three = log("verify", "cosigned.evidence", "--key", key, "--cosignatures", "3", *words, "--json")
    assert (three.exit_code, kinds(three)) == (1, [("cosignatures", None)])
    assert log("verify", "cosigned.evidence", "--cosignatures", "1").exit_code == 2


def test_an_interrupted_command_leaves_no_incomplete_file(log: User) -> None:
    # Ctrl-C as soon as there is a temporary file. If the command is quicker, the file is complete.
    folder = log.folder / "stopped"
    folder.mkdir()
    (folder / "old.gz").write_bytes(b"what was there")
    running = log.start("evidence", "--tenant", log.tenant, "-o", str(folder / "old.gz"))
    until(lambda: len(list(folder.iterdir())) > 1 or running.poll() is not None)
    running.send_signal(signal.SIGINT)
    running.communicate()
    assert [each.name for each in folder.iterdir()] == ["old.gz"]
    content = (folder / "old.gz").read_bytes()
    assert content == b"what was there" or gzip.decompress(content).endswith(b"\n")


def test_a_mistake_is_reported_as_one_error_and_one_hint(log: User) -> None:
    words = ("evidence", "--tenant", log.tenant, "-o", "x.evidence")
    assert (
        log(*words, "--from", "yesterday").error_and_hint()[0] == "--from: expected an index or a time, got 'yesterday'"
    )
    assert "not in a ledger of" in log(*words, "--to", "100000").err
    assert (
        "there is no signed ledger" in log("evidence", "--tenant", new_tenant(), "-o", "x.evidence").error_and_hint()[0]
    )
    assert "cannot write" in log(*words[:3], "-o", "/nowhere/x.evidence").error_and_hint()[0]
    assert log("verify").exit_code == 2
    assert log("verify", "--live", "x.evidence").exit_code == 2
    nowhere = log("verify", "--live", "--tenant", new_tenant())
    assert "nothing was checked: there is no ledger of the tenant" in nowhere.error_and_hint(exit_code=2)[0]
    assert not (log.folder / "x.evidence").exists()


def test_live_verification_covers_every_ledger_of_the_database(log: User) -> None:
    one = log("verify", "--live", "--tenant", log.tenant, "--json").json
    assert one["size"] >= COUNT
    assert one["places"] == []
    ended = log("verify", "--live")
    assert ended.exit_code == 0, ended
    # Other tests of this server may have removed bodies.
    assert re.fullmatch(r"sound: [\d,]+ ledgers? with [\d,]+ entries, [\d,]+ of them without a body", ended.lines[-1])


async def test_tampering_by_a_superuser_is_reported_live_and_in_evidence_which_cannot_show_who_removed_bodies(
    trenova: User, signer: LedgerSigner, owner: psycopg.AsyncConnection[tuple[Any, ...]]
) -> None:
    trenova.add(*({"comment": f"entry {number}"} for number in range(300)))
    where = [trenova.tenant]
    await owner.execute(REMOVE + "index = 5", where)
    key = signer.keys(trenova.tenant)[0].text
    write_evidence(trenova, "removed.evidence.gz")
    verdict = trenova("verify", "removed.evidence.gz", "--key", key, "--json").json
    assert (verdict["holds"], verdict["entries"], verdict["removed"]) == (True, 300, [[5, 5]])
    live = trenova("verify", "--live", "--tenant", trenova.tenant, "--json").json
    assert ([place["place"] for place in live["places"]], live["removed"]) == (["entry 5"], 1)
    await owner.execute(
        "UPDATE entries SET body = body || ' '::bytea, actor_id = 'x' WHERE tenant = %s AND index = 270", where
    )
    await owner.execute("UPDATE entries SET actor_id = 'x' WHERE tenant = %s AND index = 271", where)
    named = trenova("verify", "--live", "--tenant", trenova.tenant)
    assert named.exit_code == 1
    assert [line.split(": expected")[0] for line in named.lines[:-1]] == [
        f"{trenova.tenant}: entry 5",
        f"{trenova.tenant}: entry 270",
        f"{trenova.tenant}: entry 271",
    ]
    write_evidence(trenova, "tampered.evidence")
    assert kinds(trenova("verify", "tampered.evidence", "--key", key, "--json")) == [("changed", 270)]
    await owner.execute("DELETE FROM entries WHERE tenant = %s AND index = 100", where)
    words = ("evidence", "--tenant", trenova.tenant, "-o", f"{uuid.uuid4()}.evidence")
    assert "some are missing" in trenova(*words).error_and_hint()[0]
    for table in ("entries", "tiles", "checkpoints", "heads"):  # other tests verify all ledgers
        await owner.execute(f"DELETE FROM {table} WHERE tenant = %s".encode(), where)
