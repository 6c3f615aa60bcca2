"""Write store/catalog/manifest.json: how the catalogs of a freshly migrated database describe our objects.

Run it (`make manifest`) after every change of a migration. It starts its own PostgreSQL and stops it again.
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import psycopg

from trenova.dev.postgres import Postgres
from trenova.store import migrate
from trenova.store.catalog import manifest
from trenova.store.catalog.description import describe

FILE = Path(manifest.__file__).with_name(manifest.MANIFEST)


async def write(folder: Path) -> None:
    async with Postgres(folder / "servers").running() as server:
        await asyncio.to_thread(migrate.upgrade, server.owner_url)
        async with await psycopg.AsyncConnection.connect(server.owner_url) as connection:
            described = await describe(connection.cursor(), None)
    FILE.write_text(manifest.text(described), encoding="utf-8")


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="trenova-manifest-"))
    folder.chmod(0o755)  # PostgreSQL's own user must enter it
    try:
        asyncio.run(write(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"written: {FILE}\n")


if __name__ == "__main__":
    main()
