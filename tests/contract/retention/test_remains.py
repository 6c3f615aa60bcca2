"""What is left of removed content in PostgreSQL's files, and that the recipe of docs/retention.md removes it."""

import random
import re
import uuid
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from contract.retention.conftest import DAYS, Owner, old_bodies, run, store_bodies
from databases import Database, own_database
from examples import SIGNER, body
from trenova.dev.postgres import Postgres
from trenova.store import Store

PAGE = Path(__file__).parents[3] / "docs" / "retention.md"
INLINE, ACTOR = b"inline-7c1d0a52", b"!actor-93be40f1"  # sorts first, so that it is a bound of a histogram
TOAST = b"toast-" + b64encode(random.Random(17).randbytes(6000))  # does not compress, so that its bytes can be found


async def files_of(superuser: Owner) -> Path:
    found = await superuser.execute(
        "SELECT current_setting('data_directory'), oid::text FROM pg_database WHERE datname = current_database()"
    )
    ((folder, oid),) = await found.fetchall()
    return Path(str(folder)) / "base" / str(oid)


def traces(folder: Path) -> set[bytes]:
    files = [path.read_bytes() for path in folder.iterdir()]
    return {mark for mark in (INLINE, ACTOR, TOAST[:1000]) if any(mark in content for content in files)}


def recipe() -> list[str]:
    """The statements of the page."""
    found = re.search(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return [line.partition("--")[0].strip() for line in found[1].splitlines() if line.strip()]


async def test_the_recipe_leaves_nothing_of_removed_content_in_the_files_of_the_database(postgres: Postgres) -> None:
    async with (
        own_database(postgres) as made,
        Store.open(made.owner_url, signer=SIGNER) as keeper,
        await postgres.connect(name_of(made)) as superuser,
    ):
        await superuser.set_autocommit(True)
        folder = await files_of(superuser)
        await fill(keeper, "t-remains")
        await superuser.execute("ANALYZE entries")
        await superuser.execute("CHECKPOINT")
        assert traces(folder) == {INLINE, ACTOR, TOAST[:1000]}
        await keeper.policies.set("t-remains", DAYS, by="ada")
        assert sum(step.entries for step in await run(keeper, "t-remains")) == 3
        await superuser.execute("CHECKPOINT")
        assert traces(folder) == {INLINE, ACTOR, TOAST[:1000]}
        found = await superuser.execute(
            "SELECT histogram_bounds::text FROM pg_stats WHERE tablename = 'entries' AND attname = 'actor_id'"
        )
        assert ACTOR.decode() in str(await found.fetchone())
        for statement in recipe():
            await superuser.execute(statement.encode())
        assert traces(folder) == set()


def name_of(database: Database) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(database.owner_url)["dbname"])


async def fill(keeper: Store, tenant: str) -> None:
    """Store three old entries with the marks among sixty that stay."""
    old = datetime.now(UTC) - timedelta(days=DAYS + 10)
    await store_bodies(
        keeper,
        *old_bodies(tenant, DAYS + 10, comment=INLINE.decode()),
        *old_bodies(tenant, DAYS + 10, comment=TOAST.decode()),
    )
    marked = body(tenant, id=str(uuid.uuid4()), received_at=old, actor={"type": "user", "id": ACTOR.decode()})
    await store_bodies(keeper, marked)
    for batch in range(3):
        young = [{"type": "user", "id": f"u-{batch}-{number}"} for number in range(20)]
        now = datetime.now(UTC)
        await store_bodies(
            keeper, *(body(tenant, id=str(uuid.uuid4()), received_at=now, actor=actor) for actor in young)
        )
