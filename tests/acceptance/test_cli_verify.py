"""`trenova verify` from a shell: empty arguments, pipes, unreadable files, and a database that is lost midway."""

import asyncio
import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from acceptance.conftest import BESIDE_PYTHON, CommandResult, User, run
from contract.ledger.test_standalone import SCRIPT
from contract.lossy_proxy import LossyProxy
from databases import own_database, urls_of
from examples import SIGNER as SIGNERS
from trenova.dev.postgres import Postgres
from trenova.ledger.note import COSIGNATURE
from trenova.ledger.signing import Signer
from unit.ledger.sample_ledgers import SIGNER, sample_ledger

LOG = sample_ledger(300)
KEY = SIGNER.key.text
SIGNS = SIGNERS.secrets[0].secret_text


@pytest.fixture
def auditor(newcomer: User) -> User:
    (newcomer.folder / "acme.evidence").write_bytes(LOG.evidence())
    return newcomer


@pytest.mark.parametrize("empty", ["", " \r\n", "\ufeff"])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--key", ["acme.evidence"]),
        ("--key", ["acme.evidence", "--key", KEY]),
        ("--witness", ["acme.evidence", "--key", KEY]),
        ("--key", ["--live"]),
    ],
    ids=["the only key", "one more key", "the only witness", "the key of --live"],
)
def test_an_empty_key_is_an_error_and_not_an_absent_key(
    auditor: User, option: str, words: list[str], empty: str
) -> None:
    """An empty argument is what a shell makes of "$(cat w1.key)" if that file is empty or absent."""
    ended = auditor("verify", *words, option, empty, "--json", TRENOVA_SIGNING_KEY=SIGNS)
    assert (ended.exit_code, ended.out) == (2, "")
    assert f"{option} is empty, expected a verifier key" in json.loads(ended.err)["error"]


@pytest.mark.parametrize("tenant", ["", "a b"])
def test_an_invalid_tenant_is_an_error_and_not_a_verdict(auditor: User, tenant: str) -> None:
    error, _ = auditor("verify", "--live", "--tenant", tenant).error_and_hint(exit_code=2)
    assert error == f"nothing was checked: invalid tenant {tenant!r}"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
def test_a_file_may_come_from_a_pipe(auditor: User, pack: Callable[[bytes], bytes]) -> None:
    ended = auditor("verify", "/dev/stdin", "--key", KEY, stdin=pack(LOG.evidence()))
    assert (ended.exit_code, ended.err) == (0, "")
    assert ended.lines[0].startswith("/dev/stdin: proved: 300 entries from 0 of the ledger ")
    substituted = f"trenova verify <(cat acme.evidence) --key '{KEY}'"
    assert in_bash(auditor, substituted).exit_code == 0
    spoiled = LOG.evidence().replace(b'"index":77,"pad', b'"index":78,"pad')
    assert auditor("verify", "/dev/stdin", "--key", KEY, stdin=pack(spoiled)).exit_code == 1


def test_a_pipe_that_would_have_to_be_read_twice_is_not_checked(auditor: User) -> None:
    (auditor.folder / "kept").write_text(LOG.signed_checkpoint(200))
    command = f"trenova verify /dev/stdin --key '{KEY}' --known kept"
    error, hint = in_bash(auditor, f"cat acme.evidence | {command}").error_and_hint(exit_code=2)
    assert error.startswith("nothing was checked: /dev/stdin: a pipe can be read only once")
    assert hint == "save it to a file first, and name that"
    assert in_bash(auditor, f"{command} < acme.evidence").exit_code == 0


def in_bash(user: User, line: str) -> CommandResult:
    return run(["bash", "-c", line], user.folder, PATH=f"{BESIDE_PYTHON}:/usr/bin:/bin")


def test_the_script_names_the_pipe_that_it_cannot_read(auditor: User) -> None:
    ended = run([sys.executable, str(SCRIPT), "/dev/stdin", "--key", KEY], auditor.folder, LOG.evidence())
    assert (ended.exit_code, ended.out) == (2, "")
    assert ended.err.startswith("error: nothing was checked: /dev/stdin: is a pipe, which can be read only once")
    assert "save it to a file" in ended.err


def test_unreadable_files_are_errors_in_the_usual_form(auditor: User) -> None:
    ended = auditor("verify", "absent", "acme.evidence", ".", "--key", KEY, "--json")
    assert [(one["file"], one["verdict"]) for one in ended.objects] == [("acme.evidence", "proved")]
    errors = [json.loads(line) for line in ended.err.splitlines()]
    assert [one["error"] for one in errors] == [
        "nothing was checked: absent: cannot be read: No such file or directory",
        "nothing was checked: .: cannot be read: Is a directory",
    ]
    assert {(tuple(one), one["exit_code"]) for one in errors} == {(("error", "problems", "hint", "exit_code"), 2)}
    assert ended.exit_code == 2
    (auditor.folder / "spoiled").write_bytes(b"{}\n")
    ended = auditor("verify", "absent", "spoiled", "--json")
    assert (ended.exit_code, json.loads(ended.err)["exit_code"]) == (1, 1)
    plain = auditor("verify", "absent", "--key", KEY)
    assert plain.err == "error: nothing was checked: absent: cannot be read: No such file or directory\n"


def test_a_witness_must_have_cosigned(auditor: User) -> None:
    witness = Signer(name="witness.example/1", seed=bytes(32), algorithm=COSIGNATURE).key.text
    ended = auditor("verify", "acme.evidence", "--key", KEY, "--witness", witness)
    assert (ended.exit_code, "cosignatures: " in ended.out) == (1, True)


class OneConnection(LossyProxy):
    """Lets the first connection through, and no other."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.mode = "refuse" if self.attempts else "pass"
        await super().serve(reader, writer)


async def test_a_lost_database_does_not_take_back_damage_that_was_reported(postgres: Postgres, tmp_path: Path) -> None:
    async with own_database(postgres) as database:
        async with await psycopg.AsyncConnection.connect(database.owner_url) as owner:
            await owner.execute("ALTER TABLE entries DISABLE TRIGGER ALL")
        server = urlsplit(database.operator_url)
        assert server.hostname is not None
        assert server.port is not None
        for as_json in ([], ["--json"]):
            async with OneConnection(server.hostname, server.port).running() as network:
                command = [str(BESIDE_PYTHON / "trenova"), "verify", "--live", *as_json]
                address = urls_of(database, network.port)["trenova"]
                ended = await asyncio.to_thread(
                    run, command, tmp_path, TRENOVA_DATABASE__URL=address, TRENOVA_SIGNING_KEY=SIGNS
                )
            assert (ended.exit_code, "trigger" in ended.out) == (1, True), ended
            error = json.loads(ended.err) if as_json else {"error": ended.err.splitlines()[0]}
            assert error.get("exit_code", 1) == 1
            assert error["error"].removeprefix("error: ").startswith("the database is unreachable: ")
