"""The store as its users see it: its parts, over one pool of connections or three."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text

from trenova.config import LimitSettings
from trenova.domain.seal_check import DEFAULT_LIMITS
from trenova.errors import DATABASE_SETTING, InvalidConfiguration
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.store import schema
from trenova.store.api_keys import ApiKeys
from trenova.store.batches import Batches
from trenova.store.checkpoint_conflicts import CheckpointConflicts
from trenova.store.checkpoints import Checkpoints
from trenova.store.cosignatures import Cosignatures
from trenova.store.dead_letters import DeadLetters
from trenova.store.entries import Entries
from trenova.store.ledgers import Ledgers
from trenova.store.pool import Pool
from trenova.store.reconciliation import Reconciliation
from trenova.store.records import Records
from trenova.store.retention import Holds, Policies, Removals
from trenova.store.search import Search
from trenova.store.sql import sql

SERVER_VERSION, PING = sql("server_version"), sql("ping")

OLDEST_SERVER = 150_000  # PostgreSQL 15, as server_version_num


@dataclass(frozen=True, slots=True)
class Store:
    """Everything that this program stores. Open it with `Store.open`."""

    pool: Pool
    entries: Entries
    search: Search
    batches: Batches
    api_keys: ApiKeys
    checkpoints: Checkpoints
    ledgers: Ledgers
    cosignatures: Cosignatures
    checkpoint_conflicts: CheckpointConflicts
    dead_letters: DeadLetters
    policies: Policies
    holds: Holds
    removals: Removals
    reconciliation: Reconciliation
    records: Records
    unpooled: Pool

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        *,
        pool_size: int = 8,
        search_pool_size: int = 0,
        signer: LedgerSigner | None = None,
        limits: LimitSettings = DEFAULT_LIMITS,
    ) -> AsyncIterator["Store"]:
        """Without a `signer` nothing can be appended. Entries beyond the `limits` of the API are parked, not stored.

        With a `search_pool_size` searches and lists have that many connections to themselves, and looking up API keys
        has one: neither waits for the other, nor for anything else. Without, all share those of `pool_size`.
        """
        async with AsyncExitStack() as stack:
            pool = searches = lookups = await stack.enter_async_context(Pool.open(url, size=pool_size))
            if search_pool_size:
                searches = await stack.enter_async_context(Pool.open(url, size=search_pool_size))
                lookups = await stack.enter_async_context(Pool.open(url, size=1))
            yield cls(
                pool,
                Entries(pool, signer, limits),
                Search(searches),
                Batches(pool),
                ApiKeys(lookups),
                Checkpoints(pool, signer),
                Ledgers(pool),
                Cosignatures(pool),
                CheckpointConflicts(pool),
                DeadLetters(pool, signer, limits, searches),
                Policies(pool, signer),
                Holds(pool, signer),
                Removals(pool, signer),
                Reconciliation(pool),
                Records(pool, signer),
                Pool.without_pool(url),
            )

    async def check(self) -> None:
        """Raise Unavailable when the database does not answer, SchemaMismatch when it has another schema."""
        async with self.pool.transaction() as connection:
            version = (await connection.execute(text(SERVER_VERSION))).scalar_one()
            if int(version) < OLDEST_SERVER:
                raise InvalidConfiguration([f"{DATABASE_SETTING}: PostgreSQL 15 or newer is needed, this is {version}"])
            await connection.run_sync(schema.check)

    async def knock(self) -> None:
        """Raise Unavailable when a new connection is rejected, or gets no answer to the simplest statement."""
        async with self.unpooled.transaction() as connection:
            await connection.execute(text(PING))

    async def ping(self) -> None:
        """Raise Unavailable when the database does not answer."""
        async with self.pool.transaction() as connection:
            await connection.execute(text(PING))
