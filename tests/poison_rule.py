"""A constraint, added by the database's operator, that rejects some rows."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

POISON = "poison.pill"
"""The action that the rule rejects."""


@dataclass(frozen=True, slots=True)
class Rule:
    owner_url: str = field(repr=False)
    name: str

    async def make(self) -> None:
        check = sql.SQL("ALTER TABLE entries ADD CONSTRAINT {} CHECK (action <> {}) NOT VALID")
        await self._execute(check.format(sql.Identifier(self.name), sql.Literal(POISON)))

    async def lift(self) -> None:
        """May be called any number of times."""
        await self._execute(
            sql.SQL("ALTER TABLE entries DROP CONSTRAINT IF EXISTS {}").format(sql.Identifier(self.name))
        )

    async def _execute(self, statement: sql.Composed) -> None:
        """Asynchronous, because the holder of a lock that this waits for may run in the same event loop."""
        async with await psycopg.AsyncConnection.connect(self.owner_url, autocommit=True) as connection:
            await connection.execute(statement)


@asynccontextmanager
async def poison_rule(owner_url: str) -> AsyncIterator[Rule]:
    rule = Rule(owner_url, f"rule_{uuid.uuid4().hex[:8]}")
    await rule.make()
    yield rule
    await rule.lift()
