"""Signing again: when keys change, quiet ledgers get checkpoints with the signatures that they lack."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, LiteralString

import psycopg
import pytest
from structlog.testing import capture_logs

from conftest import new_tenant
from contract.store.ledger_check import check_ledger, past_triggers
from databases import Database, own_database
from examples import SIGNER, bodies
from trenova.dev.postgres import Postgres
from trenova.ledger import note, verify
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.note import COSIGNATURE
from trenova.ledger.signing import Signer, check, cosign
from trenova.store import Store

Owner = psycopg.AsyncConnection[tuple[Any, ...]]

(OLD_KEY,) = SIGNER.secrets
NEW_KEY = Signer(name="new", seed=bytes(range(1, 33)))
OLD, BOTH, NEW = (replace(SIGNER, secrets=keys) for keys in ((OLD_KEY,), (OLD_KEY, NEW_KEY), (NEW_KEY,)))


@pytest.fixture(scope="module")
async def place(postgres: Postgres) -> AsyncIterator[Database]:
    """A database for one test: all its ledgers are signed again, and those of other tests may still grow."""
    async with own_database(postgres) as made:
        yield made


@pytest.fixture
def url(place: Database) -> str:
    """The application's address of that database."""
    return place.worker_url


@pytest.fixture
async def owner(place: Database) -> AsyncIterator[Owner]:
    async with await psycopg.AsyncConnection.connect(place.owner_url, autocommit=True) as connection:
        yield connection


async def newest(store: Store, tenant: str) -> bytes:
    found = await store.ledgers.newest(tenant)
    assert found is not None
    return found.note


def signed_by(message: bytes, tenant: str, signer: LedgerSigner) -> bool:
    keys = signer.keys(tenant)
    found = note.parse(message)
    lines = {(line.name, line.key_id) for line in found.signatures}
    if not lines >= {(key.name, key.id) for key in keys}:
        return False
    return set(verify.signatures(found, keys=keys, check=check)) == set(keys)


async def append(url: str, signer: LedgerSigner, tenant: str, count: int = 3) -> None:
    async with Store.open(url, signer=signer) as store:
        await store.entries.append(str(uuid.uuid4()), bodies(tenant, count))


async def test_a_rotation_signs_quiet_ledgers_with_both_keys_and_busy_ones_with_those_of_their_writer(
    url: str, owner: Owner
) -> None:
    quiet, busy = new_tenant(), new_tenant()
    for tenant in (quiet, busy):
        await append(url, OLD, tenant)
    async with Store.open(url, signer=BOTH) as store:
        assert await store.checkpoints.sign_anew() >= 2
        assert await store.checkpoints.sign_anew() == 0
        for tenant in (quiet, busy):
            assert signed_by(await newest(store, tenant), tenant, BOTH)
    async with Store.open(url, signer=NEW) as store:
        await store.entries.append(str(uuid.uuid4()), bodies(busy, 1))
        assert await store.checkpoints.sign_anew() == 0
        assert signed_by(await newest(store, quiet), quiet, BOTH)
        assert not signed_by(await newest(store, busy), busy, OLD)
        assert signed_by(await newest(store, busy), busy, NEW)
    assert await check_ledger(owner, quiet, signer=NEW) == [3]
    assert await check_ledger(owner, busy, signer=BOTH) == [3, 4]


async def test_ledgers_that_were_never_signed_and_those_under_another_origin_are_signed(
    url: str, owner: Owner, tenant: str
) -> None:
    await append(url, OLD, tenant)
    elsewhere = replace(OLD, prefix="audit.example.com/log")
    async with Store.open(url, signer=elsewhere) as store:
        await store.checkpoints.sign_anew()
        assert await check_ledger(owner, tenant, signer=elsewhere) == [3]
    await past_triggers(owner, "DELETE FROM checkpoints WHERE tenant = %s", tenant)
    async with Store.open(url, signer=OLD) as store:
        assert await store.checkpoints.sign_anew() >= 1
    assert await check_ledger(owner, tenant) == [3]


async def test_a_witness_that_has_cosigned_stays_on_the_note(url: str, owner: Owner, tenant: str) -> None:
    await append(url, OLD, tenant)
    witness = Signer(name="witness.example.com", seed=bytes(32), algorithm=COSIGNATURE)
    async with Store.open(url, signer=BOTH) as store:
        cosigned = cosign(note.parse(await newest(store, tenant)), witness, timestamp=1_800_000_000)
        await owner.execute("UPDATE checkpoints SET note = %s WHERE tenant = %s", [cosigned, tenant])
        await store.checkpoints.sign_anew()
        found = note.parse(await newest(store, tenant))
    keys = (*BOTH.keys(tenant), witness.key)
    assert set(verify.signatures(found, keys=keys, check=check)) == set(keys)


@pytest.mark.parametrize(
    ("damage", "complaint", "size"),
    [
        ("UPDATE heads SET frontier = sha256('') WHERE tenant = %s", "is not the one that was signed at its size", 4),
        (
            "UPDATE heads SET size = 1, frontier = sha256('') WHERE tenant = %s",
            "was set back: expected size 4, got 1",
            1,
        ),
    ],
)
async def test_a_ledger_that_is_not_the_signed_one_is_reported_and_the_others_are_signed(
    url: str, owner: Owner, damage: LiteralString, complaint: str, size: int
) -> None:
    before, damaged, after = (f"{new_tenant()}-{place}" for place in ("a", "b", "c"))
    for tenant in (before, damaged, after):
        await append(url, OLD, tenant, 4)
    await past_triggers(owner, damage, damaged)
    async with Store.open(url, signer=BOTH) as store:
        note_before = await newest(store, damaged)
        with capture_logs() as logs:
            assert await store.checkpoints.sign_anew() >= 2
        assert await newest(store, damaged) == note_before
        for tenant in (before, after):
            assert signed_by(await newest(store, tenant), tenant, BOTH)
    (found,) = [line for line in logs if line.get("tenant") == damaged]
    assert (found["event"], found["log_level"]) == ("ledger damaged", "error")
    assert (found["size"], found["signed_size"]) == (size, 4)
    assert complaint in found["error"]


async def test_workers_that_start_together_sign_while_others_append(url: str, owner: Owner) -> None:
    tenants = [new_tenant() for _ in range(150)]
    async with Store.open(url, signer=OLD, pool_size=4) as store:
        for start in range(0, len(tenants), 50):
            together = [body for tenant in tenants[start : start + 50] for body in bodies(tenant, 1)]
            await store.entries.append(str(uuid.uuid4()), together)

    async def sign() -> None:
        async with Store.open(url, signer=BOTH) as store:
            await store.checkpoints.sign_anew()

    async def write(part: list[str]) -> None:
        async with Store.open(url, signer=BOTH) as store:
            for _ in range(5):
                await store.entries.append(str(uuid.uuid4()), [bodies(tenant, 1)[0] for tenant in reversed(part)])

    await asyncio.gather(*(sign() for _ in range(3)), *(write(tenants[at::2]) for at in range(2)))
    for tenant in tenants:
        assert await check_ledger(owner, tenant, signer=BOTH) == [1, 2, 3, 4, 5, 6]
