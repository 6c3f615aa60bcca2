"""A wrong or missing key: an error at start where it can be detected; otherwise work waits, and nothing is lost."""

import asyncio
import json
import uuid
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acceptance.conftest import CommandResult, User, entry_of
from acceptance.encrypted import STRICT, Site, encrypting, new_key, start_site
from acceptance.test_encryption_rotation import count_needs
from conftest import new_tenant
from examples import SIGNER
from trenova.dev.postgres import Postgres
from waiting import LIMIT_S, becomes, eventually


async def accept(site: Site, tenant: str) -> str:
    """Have an entry accepted and return its id; it is not stored, because no worker runs."""
    entry = {**entry_of(), "id": str(uuid.uuid4()), "tenant": tenant}
    async with site.client() as client:
        answer = await client.post("/v1/entries", json=entry)
    assert answer.status_code == 202, answer.text
    return str(entry["id"])


async def wait_until_stored(site: Site, ids: list[str]) -> None:
    """Return when every entry is stored."""
    async with asyncio.timeout(LIMIT_S), site.client() as client:
        for entry_id in ids:
            while (await client.get(f"/v1/entries/{entry_id}")).status_code != 200:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.1)


async def ready(site: Site) -> tuple[int, dict[str, Any]]:
    async with site.client() as client:
        answer = await client.get("/readyz")
    return answer.status_code, answer.json()


async def wait_until_ready(site: Site) -> None:
    async with asyncio.timeout(LIMIT_S):
        while (await ready(site))[0] != 200:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.5)


async def test_entries_that_wait_for_a_wrong_or_missing_key_are_reported_and_stored_once_the_key_is_available_again(
    folder: Path, postgres: Postgres
) -> None:
    one, other, tenant = new_key(), new_key(), new_tenant()
    right, wrong, missing = encrypting("a", a=one), encrypting("a", a=other), encrypting("b", b=other)
    async with start_site(folder, postgres) as site:
        async with site.running(["api"], right):
            waiting = [await accept(site, tenant) for _ in range(3)]
            await wait_until_ready(site)

            async def are_listed() -> bool:
                return await count_needs(site, right) == {"a": 3}

            await becomes(are_listed)  # Temporal lists open workflows with a delay

        for variables, reason in (
            (wrong, "decryption failed with the key ID: a"),
            (missing, "encryption key not found for ID: a"),
        ):
            async with site.running(["api", "worker"], variables) as (_, worker):
                # New entries are stored, so the process itself works.
                await site.store({**entry_of(), "tenant": tenant})
                async with site.client() as client:
                    assert [(await client.get(f"/v1/entries/{each}")).status_code for each in waiting] == [404] * 3
                async with site.client() as client, asyncio.timeout(LIMIT_S):
                    while "trenova_keys_wrong 1.0" not in (await client.get("/metrics")).text:  # noqa: ASYNC110 - as above
                        await asyncio.sleep(0.5)
                # Someone else may have sent the waiting workflows: no reason to stop accepting entries.
                await wait_until_ready(site)
                _, parts = await ready(site)
                assert parts["keys"] == "ok"
                ended = await site.command("keys", "check", **variables)
                assert ended.exit_code == 1
                assert (
                    f"key a: {reason}; open workflows with this key are stuck until the right key is configured"
                    in ended.out
                )
                ended = await site.command("keys", "check", "--json", **variables)
                assert ended.exit_code == 1
                assert ended.json["open_workflows"]["unreadable"] == {"a": reason}
                async with asyncio.timeout(LIMIT_S):
                    while reason not in worker.log.read_text():  # noqa: ASYNC110 - no event for it
                        await asyncio.sleep(0.1)
                for text in (worker.log.read_text(), ended.out, json.dumps(parts)):
                    assert one not in text
                    assert other not in text

        async with site.running(["api", "worker"], right):
            await wait_until_stored(site, waiting)
            await wait_until_ready(site)


@pytest.mark.parametrize("program", ["api", "worker"])
def test_unusable_keys_are_an_error_at_start_that_lists_all_problems(newcomer: User, program: str) -> None:
    def start_program(variables: dict[str, str]) -> CommandResult:
        # No server runs: the error comes before any connection.
        complete = {
            "TRENOVA_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/none",
            "TRENOVA_SIGNING_KEY": SIGNER.secrets[0].secret_text,
        }
        return newcomer(program, stdin=b"", **complete, **variables)

    error, hint = start_program(encrypting("gone", here=new_key())).error_and_hint()
    assert "encryptionKeyID: 'gone'; expected a configured key (here), or set TEMPORAL_ENCRYPTION_KEY_gone" in error
    assert hint == "make a key with `trenova keys generate`; docs/encryption.md says how keys are named"

    many = start_program(encrypting("gone", short="0123456789", empty="", spaced=f" {new_key()}"))
    assert (many.exit_code, many.out) == (1, "")
    first, *problems, hint = many.err.splitlines()
    assert first == "error: invalid configuration"
    assert [problem.split(":")[0].strip() for problem in problems] == [
        *(f"TEMPORAL_ENCRYPTION_KEY_{name}" for name in ("empty", "short", "spaced")),
        "encryptionKeyID",
    ]
    assert hint.startswith("hint: make a key with `trenova keys generate`")
    assert "0123456789" not in many.err

    assert "requireEncryption: true with enableEncryption: false" in start_program(STRICT).error_and_hint()[0]


async def test_strict_mode_refuses_a_plain_start_and_the_history_says_why(folder: Path, postgres: Postgres) -> None:
    variables = {
        **encrypting("k", k=new_key()),
        **STRICT,
        "TRENOVA_API__CODEC__ENABLED": "true",
    }
    start = (
        *("workflow", "execute", "--task-queue", "audit-queue", "--type", "ProcessAuditBatchWorkflow"),
        *("--input", '{"batch_id":"x","entries":[]}', "-o", "json"),
    )
    async with start_site(folder, postgres) as site, site.running(["api", "worker"], variables):
        endpoint = ("--codec-endpoint", f"{site.api_url}/codec", "--codec-auth", f"Bearer {site.api_key}")
        plain = asyncio.create_task(site.cli(*start, "--workflow-id", "plain"))
        # The reason is in the history at once; the workflow waits until its sender terminates it.
        shown = await eventually(
            lambda: history(site, "plain", *endpoint), lambda shown: "WORKFLOW_TASK_FAILED" in shown or plain.done()
        )
        assert not plain.done(), plain.result()
        reasons = " ".join(messages_in(json.loads(shown)))
        assert "the payload is not encrypted (encoding: json/plain), and requireEncryption is on" in reasons
        assert "its sender has encryption off or uses no codec" in reasons
        assert "give the Temporal CLI --codec-endpoint" in reasons
        # The type of the failure is readable without the key.
        assert "PlaintextRefused" in await history(site, "plain")
        await site.cli("workflow", "terminate", "--workflow-id", "plain")
        assert (await plain).exit_code != 0

        good = await site.cli(*start, "--workflow-id", "good", *endpoint)
        assert good.exit_code == 0, good
        # The workflow id names the batch, whatever its sender writes.
        assert (good.json["status"], good.json["result"]["batch_id"]) == ("COMPLETED", "good")
        raw = await history(site, "good")
        assert "binary/encrypted" not in raw  # it is in base64
        assert "YmluYXJ5L2VuY3J5cHRlZA==" in raw


def messages_in(value: object) -> Iterator[str]:
    """The messages of all failures, which are encoded as payloads."""
    if isinstance(value, dict):
        if "encodedAttributes" in value:
            yield json.loads(b64decode(value["encodedAttributes"]["data"]))["message"]
        for item in value.values():
            yield from messages_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from messages_in(item)


async def history(site: Site, workflow_id: str, *endpoint: str) -> str:
    """The history as JSON, empty while there is none; with the endpoint, failures are decoded."""
    ended = await site.cli("workflow", "show", "--workflow-id", workflow_id, "-o", "json", *endpoint)
    return ended.out if ended.exit_code == 0 else ""
