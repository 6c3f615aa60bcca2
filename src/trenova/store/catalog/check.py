"""The comparison of a database with what this program's migrations make."""

from trenova.domain.verification import DamagedPlace
from trenova.store import schema
from trenova.store.catalog.comparison import differences
from trenova.store.catalog.description import describe
from trenova.store.catalog.manifest import names_in, read_manifest
from trenova.store.pool import Pool
from trenova.store.sql import sql

READ_ONLY = sql("read_only")


async def check(pool: Pool) -> list[DamagedPlace]:
    """Every object of ours that is missing or changed, and each that must not exist. Changes nothing.

    Raises SchemaMismatch for a database of another release, Unavailable while it is unreachable.
    """
    async with pool.transaction() as connection:
        await connection.run_sync(schema.check)
    manifest = read_manifest()
    async with pool.cursor() as cursor:
        await cursor.execute(READ_ONLY)
        return differences(manifest, await describe(cursor, names_in(manifest)))
