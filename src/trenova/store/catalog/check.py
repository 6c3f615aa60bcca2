"""The comparison of a database with what this program's migrations make."""

from trenova.domain.verification import DamagedPlace
from trenova.store import schema
from trenova.store.catalog.comparison import differences
from trenova.store.catalog.description import describe
from trenova.store.catalog.manifest import expected, names_in
from trenova.store.pool import Pool


async def check(pool: Pool) -> list[DamagedPlace]:
    """Every object of ours that is missing or another, and each that may not be there. Changes nothing.

    Raises SchemaMismatch for a database of another release, Unavailable while it is away.
    """
    async with pool.transaction() as connection:
        await connection.run_sync(schema.check)
    made = expected()
    async with pool.cursor() as cursor:
        await cursor.execute("SET TRANSACTION READ ONLY")
        return differences(made, await describe(cursor, names_in(made)))
