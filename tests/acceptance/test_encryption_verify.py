"""`trenova verify-encryption` and `trenova keys`: they succeed only with working keys, and name each problem."""

import asyncio
import base64
import re
import shlex
from pathlib import Path

import pytest

from acceptance.conftest import ENABLED, CommandResult, User
from acceptance.encrypted import STRICT, Site, encrypting, new_key, start_site
from trenova.dev.postgres import Postgres
from waiting import LIMIT_S

pytestmark = pytest.mark.long


def not_verified(ended: CommandResult) -> list[str]:
    """The reported problems; fails unless exit code and output say that verification failed."""
    assert ended.exit_code == 1, ended
    assert ended.lines[-1] == "encryption NOT verified"
    return [line.split(maxsplit=1)[1] for line in ended.lines if line.startswith("problem")]


def run_command(user: User, *words: str, **variables: str) -> CommandResult:
    return user(*words, stdin=b"", **variables)


async def open_ids(site: Site) -> list[str]:
    client = await site.temporal.client()
    own = "ExecutionStatus = 'Running' AND WorkflowType = 'ProcessAuditBatchWorkflow'"
    return [found.id async for found in client.list_workflows(own)]


async def test_only_encrypted_payloads_are_verified(folder: Path, postgres: Postgres) -> None:
    one, other = new_key(), new_key()
    right = encrypting("a", a=one)
    async with start_site(folder, postgres) as site:
        # The sender has another key under the workers' key id: neither can read the other, as reported after a minute.
        wrong = asyncio.create_task(site.command("verify-encryption", **encrypting("a", a=other)))
        async with site.running(["worker"], right):
            ended = await site.command("verify-encryption", **right)
            assert ended.exit_code == 0, ended
            assert ended.lines[-1] == "encryption verified"
            found = (await site.command("verify-encryption", "--json", **right)).json
            assert found["problems"] == []
            assert found["key_ids"] == ["a"]
            assert found["payloads"] == found["encrypted"] > 1
            assert found["stored_bytes"] < found["plain_bytes"] / 4

            # Without a key and with encryption off, it sends plain text, which a worker accepts.
            keyless = await site.command("verify-encryption", **ENABLED)
            assert "expected a configured key (none)" in keyless.error_and_hint()[0]
            off = not_verified(await site.command("verify-encryption", TEMPORAL_ENCRYPTION_KEY_a=one))
            assert "encryption is off: set temporal.security.enableEncryption" in off
            assert any("is not encrypted" in problem for problem in off)

        # The worker has both keys and encrypts with the other one.
        async with site.running(["worker"], encrypting("b", a=one, b=other)):
            problems = not_verified(await site.command("verify-encryption", **encrypting("a", a=one, b=other)))
            assert problems
            assert all("is encrypted with the key b, not a" in problem for problem in problems)
            unread = await site.command("verify-encryption", **right)
            assert unread.error_and_hint()[0] == "encryption key not found for ID: b"

        # The worker decrypts its input and writes its results in plain text.
        async with site.running(["worker"], {"TEMPORAL_ENCRYPTION_KEY_a": one}):
            ended = await site.command("verify-encryption", "--json", **right)
            assert ended.exit_code == 1
            assert ended.json["problems"]
            assert all("is not encrypted" in problem for problem in ended.json["problems"])
            strict = await site.command("verify-encryption", **right, **STRICT)
            assert "the payload is not encrypted" in strict.error_and_hint()[0]

        error, hint = (await wrong).error_and_hint()
        assert re.fullmatch(r"the workflow audit-batch-\S+ did not finish within 60 s, and was terminated", error)
        assert "trenova keys check" in hint
        async with asyncio.timeout(LIMIT_S):
            while await open_ids(site):  # noqa: ASYNC110 - Temporal lists closed workflows with a delay
                await asyncio.sleep(0.1)


async def test_keys_check_needs_temporal_unless_offline(newcomer: User) -> None:
    key = new_key()
    unreachable = {"TRENOVA_TEMPORAL__HOST_PORT": "127.0.0.1:1"}
    error, hint = run_command(newcomer, "keys", "check", **encrypting("k", k=key), **unreachable).error_and_hint()
    assert error.startswith("failed to dial temporal client at 127.0.0.1:1")
    assert "make dev" in hint
    error, _ = run_command(newcomer, "verify-encryption", **encrypting("k", k=key), **unreachable).error_and_hint()
    assert error.startswith("failed to dial temporal client at 127.0.0.1:1")
    ended = run_command(newcomer, "keys", "check", "--offline", **encrypting("k", k=key), **unreachable)
    assert ended.exit_code == 0
    assert key not in ended.out


def test_keys_check_shows_how_each_key_was_read_but_not_the_key(newcomer: User) -> None:
    folder, secret = newcomer.folder / "keys", bytes(range(32))
    folder.mkdir()
    (folder / "in-a-file").write_text(secret.hex() + "\n")
    text = "thirty-two characters of any text, or more"
    variables = {
        **encrypting("k", k=base64.b64encode(secret).decode(), t=text),
        "TRENOVA_TEMPORAL__SECURITY__KEY_FOLDER": str(folder),
    }
    ended = run_command(newcomer, "keys", "check", "--offline", "--json", **variables)
    assert ended.exit_code == 0, ended
    assert ended.json["open_workflows"] is None
    keys = {key["id"]: key for key in ended.json["keys"]}
    assert {name: (key["form"], key["encrypts"]) for name, key in keys.items()} == {
        "in-a-file": ("hex", False),
        "k": ("base64", True),
        "t": ("text", False),
    }
    assert keys["k"]["print"] == keys["in-a-file"]["print"] != keys["t"]["print"]
    assert keys["in-a-file"]["source"] == str(folder / "in-a-file")
    shown = run_command(newcomer, "keys", "check", "--offline", **variables)
    for key in keys.values():
        (line,) = (line for line in shown.lines if line.split()[0] == key["id"])
        assert line.split()[-3:] == [key["source"], key["print"], "?"]
    for secret_text in (secret.hex(), base64.b64encode(secret).decode(), text):
        assert secret_text not in ended.out + shown.out


def test_keys_check_without_keys_says_so(newcomer: User) -> None:
    ended = run_command(newcomer, "keys", "check", "--offline")
    assert (ended.exit_code, ended.out) == (0, "no encryption keys are configured\n")


@pytest.mark.parametrize(
    ("key_id", "variable"), [("default", "TEMPORAL_ENCRYPTION_KEY"), ("eu1", "TEMPORAL_ENCRYPTION_KEY_eu1")]
)
def test_a_generated_key_is_set_by_the_printed_line(newcomer: User, key_id: str, variable: str) -> None:
    ended = run_command(newcomer, "keys", "generate", "--id", key_id)
    assert ended.exit_code == 0, ended
    word, assignment = shlex.split(ended.out)
    name, _, text = assignment.partition("=")
    assert (word, name, len(base64.b64decode(text))) == ("export", variable, 32)
    checked = run_command(newcomer, "keys", "check", "--offline", "--json", **{name: text})
    assert [key["id"] for key in checked.json["keys"]] == [key_id]


def test_a_wrapped_key_is_unwrapped_by_its_master_key_only(newcomer: User) -> None:
    master, other = newcomer.folder / "master", newcomer.folder / "other"
    master.write_text(new_key() + "\n")
    other.write_text(new_key() + "\n")
    made = run_command(newcomer, "keys", "generate", "--id", "w", "--master-key-file", str(master), "--json").json
    assert made["key"].startswith("wrapped:")
    variables = encrypting("w", w=made["key"])
    setting = "TRENOVA_TEMPORAL__SECURITY__MASTER_KEY_FILE"
    opened = run_command(newcomer, "keys", "check", "--offline", "--json", **variables, **{setting: str(master)})
    assert [(key["id"], key["form"]) for key in opened.json["keys"]] == [("w", "wrapped")]
    for file, complaint in ((other, "cannot unwrap"), (None, "configure the key service")):
        ended = run_command(
            newcomer, "keys", "check", "--offline", **variables, **({setting: str(file)} if file else {})
        )
        assert ended.exit_code == 1
        assert complaint in ended.err


def test_for_an_id_that_no_variable_can_have_the_bare_key_is_printed_with_where_to_put_it(newcomer: User) -> None:
    ended = run_command(newcomer, "keys", "generate", "--id", "eu-1")
    assert ended.exit_code == 0
    assert len(base64.b64decode(ended.out)) == 32
    assert "put it in a file of that name" in ended.err
    refused = run_command(newcomer, "keys", "generate", "--id", "a/b")
    assert refused.exit_code == 1
    assert refused.err.startswith("error: 'a/b' cannot be a key ID")
