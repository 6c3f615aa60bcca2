"""What the database's catalogs say of our tables, functions, triggers, grants and roles, in words that compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from trenova.errors import SchemaMismatch
from trenova.store.schema import LATEST_HINT
from trenova.store.sql import sql

Cursor = psycopg.AsyncCursor[Any]
Description = dict[str, dict[str, Any]]
"""Facts of each object by its name: `trigger append_only on entries`."""

PLACE, SHADOWS, SEARCH_PATHS = sql("catalog/location"), sql("catalog/shadows"), sql("catalog/search_paths")
OBJECTS = [
    sql(f"catalog/{kind}")
    for kind in ("tables", "columns", "constraints", "indexes", "triggers", "functions", "grants", "settings")
]
ROLES, STRANGERS = sql("catalog/roles"), sql("catalog/unexpected")
SET_PATH = "SELECT set_config('search_path', %(path)s, true)"
# Each of them turns off triggers, policies, or errors of a damaged disk.
SETTINGS = ["session_replication_role", "row_security", "zero_damaged_pages", "ignore_checksum_failure"]
FOR = " to "


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    tables: list[str]
    indexes: list[str]
    functions: list[str]
    roles: list[str]


async def describe(cursor: Cursor, names: Names | None) -> Description:
    """Everything with these names, and what may not be beside them; None: everything, as in a fresh database.

    Changes the search path of the open transaction. Raises SchemaMismatch where there is no schema of ours.
    """
    await cursor.execute(PLACE)
    place = await cursor.fetchone()
    if place is None:
        raise SchemaMismatch("the database has no Trenova schema yet", hint=LATEST_HINT)
    schema, owner, schema_name, path = place
    asked: dict[str, Any] = {
        "schema": schema,
        "schema_name": schema_name,
        "owner": owner,
        "settings": SETTINGS,
        "tables": names.tables if names else None,
        "indexes": names.indexes if names else None,
        "functions": names.functions if names else None,
        "roles": names.roles if names else None,
    }
    # First, in the session's own search path.
    found = await shadows(cursor, asked, path) if names else {}
    # So that the catalogs write all names in one way.
    await cursor.execute(SET_PATH, {"path": f"pg_catalog, {schema}"})
    for query in OBJECTS:
        found |= await objects(cursor, query, asked)
    if names is None:
        asked |= {"tables": of_kind(found, "table"), "roles": grantees(found)}
    for query in (ROLES, STRANGERS):
        found |= await objects(cursor, query, asked)
    return found


async def objects(cursor: Cursor, query: str, asked: Mapping[str, Any]) -> Description:
    await cursor.execute(query, asked)
    return dict(await cursor.fetchall())


async def shadows(cursor: Cursor, asked: Mapping[str, Any], path: list[str]) -> Description:
    """What stands before ours in this session's search path, and in those that are set for roles."""
    await cursor.execute(SEARCH_PATHS)
    paths = dict(await cursor.fetchall())
    found = {}
    for whose, text in {"this session": None, **paths}.items():
        if text is not None:
            await cursor.execute(SET_PATH, {"path": text})
        await cursor.execute(SHADOWS, asked)
        for (name,) in await cursor.fetchall():
            found[f"{name} in the search path of {whose}"] = {"schemas": path if text is None else text}
    return found


def of_kind(description: Description, kind: str) -> list[str]:
    return [name.removeprefix(f"{kind} ") for name in description if name.startswith(f"{kind} ")]


def grantees(description: Description) -> list[str]:
    grants = of_kind(description, "grant")
    return sorted({grant.rpartition(FOR)[2] for grant in grants} - {"PUBLIC"})
