"""The key that signs the logs: made by a command or by `trenova dev`, and needed by every worker."""

import shlex
import stat
from typing import Any

from acceptance.conftest import Dev, User
from conftest import new_tenant
from trenova.config import Settings
from trenova.keys.signing import load_signer
from trenova.ledger import signing, verify
from trenova.store import Store

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def test_a_generated_signing_key_is_a_line_that_sets_it(newcomer: User) -> None:
    origin = "audit.example.com/v1/log"
    (line,) = newcomer("keys", "generate", "--signing", TRENOVA_LEDGER__ORIGIN=origin).lines
    name, _, text = shlex.split(line.removeprefix("export "))[0].partition("=")
    assert signing.parse_signer(text).name == origin
    assert name == "TRENOVA_SIGNING_KEY"
    made = newcomer("keys", "generate", "--signing", "--json").json
    assert signing.parse_signer(made["key"]).seed != signing.parse_signer(text).seed


def test_a_worker_without_a_signing_key_does_not_start_and_says_how_to_make_one(newcomer: User) -> None:
    error, hint = newcomer("worker", TRENOVA_DATABASE__URL=NOWHERE).error_and_hint()
    assert error == "invalid configuration: no signing key: set TRENOVA_SIGNING_KEY or ledger.signingKeyFile"
    assert "trenova keys generate --signing" in hint


def test_a_worker_with_a_spoiled_signing_key_does_not_start_and_does_not_show_it(newcomer: User) -> None:
    text = signing.Signer(name="x", seed=bytes(range(32))).secret_text
    ended = newcomer("worker", TRENOVA_SIGNING_KEY=text[:-4], TRENOVA_DATABASE__URL=NOWHERE)
    assert "TRENOVA_SIGNING_KEY, line 1" in ended.error_and_hint()[0]
    assert text.split("+", 4)[4][:20] not in ended.err


def test_the_public_halves_are_printed_for_a_tenant(newcomer: User) -> None:
    origin = "audit.example.com/v1/log"
    secrets = [signing.Signer(name="x", seed=bytes([seed] * 32)) for seed in (1, 2)]
    given: dict[str, Any] = {
        "TRENOVA_LEDGER__ORIGIN": origin,
        "TRENOVA_SIGNING_KEY": "\n".join(secret.secret_text for secret in secrets),
    }
    ended = newcomer("keys", "public", "--tenant", "acme", **given)
    assert ended.lines == [secret.with_name(f"{origin}/acme").key.text for secret in secrets]
    assert newcomer("keys", "public", "--tenant", "acme", "--json", **given).json == {
        "tenant": "acme",
        "keys": ended.lines,
    }
    assert "invalid tenant" in newcomer("keys", "public", "--tenant", "a/b", **given).error_and_hint()[0]
    assert "no signing key" in newcomer("keys", "public", "--tenant", "acme").error_and_hint()[0]


def test_dev_shows_the_same_keys_by_its_command_and_its_api(trenova: User) -> None:
    tenant = new_tenant()
    with trenova.api() as client:
        served = client.get(f"/v1/tenants/{tenant}/key").text
    assert trenova("keys", "public", "--tenant", tenant).lines == served.splitlines() != []


async def test_dev_signs_with_a_key_that_only_its_owner_can_read(dev: Dev, trenova: User) -> None:
    trenova.add({})
    file = dev.data_dir / "secrets" / "signing-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    signer = load_signer(Settings.model_validate({"ledger": {"signingKeyFile": file}}), {})
    async with Store.open(dev.state["database_url"]) as store:
        signed = await store.ledgers.newest(trenova.tenant)
    assert signed is not None
    (key,) = signer.keys(trenova.tenant)
    assert verify.signed_checkpoint(signed.note, origin=key.name, keys=[key], check=signing.check).size == 1
    logs = "".join(log.read_text() for log in (dev.data_dir / "logs").iterdir())
    assert file.read_text().strip().split("+", 4)[4] not in logs
