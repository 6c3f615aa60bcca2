"""A ledger for a superuser to tamper with, which is deleted after the test."""

import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from conftest import new_tenant
from examples import SIGNER, bodies
from trenova.dev.postgres import Postgres
from trenova.domain.verification import LedgerVerdict
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import Store
from trenova.store.verification import Verifier, processes
from trenova.store.verification.stretch import Claim

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
COUNT = 600  # two whole tiles, a part of one, and a tile above them


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A ledger of 600 entries, stored by appends that ended at 100, 512, 590 and 600."""

    tenant: str
    store: Store
    owner: Owner
    url: str
    workers: Executor

    async def tamper(self, statement: str) -> None:
        """Run a statement, its one parameter the tenant, with all triggers off: what only a superuser can do."""
        async with self.owner.transaction():
            await self.owner.execute("SET LOCAL session_replication_role = replica")
            await self.owner.execute(statement.encode(), [self.tenant])

    async def verdict(self, *, signer: LedgerSigner = SIGNER, known: tuple[Claim, ...] = ()) -> LedgerVerdict:
        verifier = Verifier(url=self.url, keys=signer.keys, workers=self.workers, known={self.tenant: known})
        (verdict,) = [one async for one in verifier.logs(lambda *_: None, tenant=self.tenant)]
        return verdict

    async def places(self, **how: Any) -> list[str]:
        """The damaged places that are found, each with what is wrong."""
        return [str(one).removeprefix(f"{self.tenant}: ") for one in (await self.verdict(**how)).places]

    async def checkpoint(self, size: int) -> bytes:
        signed = await self.store.ledgers.at(self.tenant, size)
        assert signed is not None
        return signed.note


async def store_ledger(store: Store, tenant: str, counts: tuple[int, ...] = (100, 412, 78, 10)) -> None:
    for count in counts:
        await store.entries.append(str(uuid.uuid4()), bodies(tenant, count))


@pytest.fixture(scope="session")
def workers() -> Iterator[Executor]:
    with processes(1) as opened:
        yield opened


@pytest.fixture
async def victim(store: Store, postgres: Postgres, owner: Owner, workers: Executor) -> AsyncIterator[Victim]:
    tenant = new_tenant()
    await store_ledger(store, tenant)
    victim = Victim(tenant=tenant, store=store, owner=owner, url=postgres.worker_url, workers=workers)
    yield victim
    # Other tests sign all stored ledgers.
    for table in ("entries", "tiles", "checkpoints", "heads", "batches"):
        await victim.tamper(f"DELETE FROM {table} WHERE tenant = %s")
    await victim.tamper("DELETE FROM cosignatures WHERE substring(origin FROM '[^/]*$') = %s")
