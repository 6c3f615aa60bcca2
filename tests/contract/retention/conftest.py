"""Ledgers with entries of many ages, the owner's store, which may set policies, and what a removal leaves."""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from databases import own_database
from examples import SIGNER, body
from trenova.dev.postgres import Postgres
from trenova.domain.retention import Removal
from trenova.store import Store
from trenova.store.verification import processes

Owner = psycopg.AsyncConnection[tuple[Any, ...]]
DAYS = 30
CONTENT = "occurred_at, actor_type, actor_id, action, target_type, target_id, outcome, salt, body"


@pytest.fixture(scope="session")
async def keeper(postgres: Postgres) -> AsyncIterator[Store]:
    """The store with the rights of the schema's owner."""
    async with Store.open(postgres.owner_url, signer=SIGNER) as opened:
        yield opened


@pytest.fixture(scope="session")
def workers() -> Iterator[Executor]:
    with processes(1) as opened:
        yield opened


@pytest.fixture
async def empty(postgres: Postgres) -> AsyncIterator[str]:
    """The owner's address of a database for one test, where a default for all tenants affects no other test."""
    async with own_database(postgres) as made:
        yield made.owner_url


def old_bodies(tenant: str, *days: float, **fields: Any) -> list[bytes]:
    """Bodies that were received so many days ago."""
    now = datetime.now(UTC)
    return [body(tenant, id=str(uuid.uuid4()), received_at=now - timedelta(days=age), **fields) for age in days]


async def store_bodies(store: Store, *bodies: bytes) -> None:
    await store.entries.append(str(uuid.uuid4()), bodies)


async def run(store: Store, tenant: str, *, dry_run: bool = False) -> list[Removal]:
    return [step async for step in store.removals.run(tenant=tenant, dry_run=dry_run)]


@dataclass(frozen=True, slots=True)
class Rows:
    """What is left of a ledger: for each entry, whether all of its content is there; no entry has a part of it."""

    there: dict[int, bool]
    reports: list[dict[str, Any]]
    """The entries that tell of retention and holds, in the order of the log."""

    @property
    def removed(self) -> list[int]:
        return [index for index, there in self.there.items() if not there]

    @property
    def removals(self) -> list[dict[str, Any]]:
        return [entry["metadata"] for entry in self.reports if entry["action"] == "retention.remove"]


async def rows(owner: Owner, tenant: str) -> Rows:
    found = await owner.execute(
        f"SELECT index, num_nonnulls({CONTENT}), num_nonnulls(commitment, received_at, id), body FROM entries"
        " WHERE tenant = %s ORDER BY index",
        [tenant],
    )
    there, reports = {}, []
    for index, content, rest, kept in await found.fetchall():
        assert (content, rest) in {(0, 3), (9, 3)}
        there[index] = content == 9
        entry = json.loads(kept) if kept else {"action": ""}
        if entry["action"].startswith(("retention.", "hold.")):
            reports.append(entry)
    return Rows(there, reports)
