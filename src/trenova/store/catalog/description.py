"""What the database's catalogs say of our tables, functions, triggers, grants and roles, in comparable words."""

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

LOCATION, SHADOWS = sql("catalog/location"), sql("catalog/shadows")
SEARCH_PATHS, SET_PATH = sql("catalog/search_paths"), sql("catalog/set_path")
OBJECTS = [
    sql(f"catalog/{kind}")
    for kind in ("tables", "columns", "constraints", "indexes", "triggers", "functions", "grants", "settings")
]
ROLES, UNEXPECTED = sql("catalog/roles"), sql("catalog/unexpected")
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
    """The objects with these names, and what must not exist beside them; all objects, as of a fresh database, for None.

    Changes the search path of the open transaction. Raises SchemaMismatch where there is no schema of ours.
    """
    await cursor.execute(LOCATION)
    row = await cursor.fetchone()
    if row is None:
        raise SchemaMismatch("the database has no Trenova schema yet", hint=LATEST_HINT)
    schema, owner, schema_name, path = row
    parameters: dict[str, Any] = {
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
    description = await read_shadows(cursor, parameters, path) if names else {}
    # So that the catalogs write all names in one way.
    await cursor.execute(SET_PATH, {"path": f"pg_catalog, {schema}"})
    for query in OBJECTS:
        description |= await read_objects(cursor, query, parameters)
    if names is None:
        parameters |= {"tables": of_kind(description, "table"), "roles": grantees(description)}
    for query in (ROLES, UNEXPECTED):
        description |= await read_objects(cursor, query, parameters)
    return description


async def read_objects(cursor: Cursor, query: str, parameters: Mapping[str, Any]) -> Description:
    await cursor.execute(query, parameters)
    return dict(await cursor.fetchall())


async def read_shadows(cursor: Cursor, parameters: Mapping[str, Any], path: list[str]) -> Description:
    """What comes before ours in this session's search path, and in those that are set for roles."""
    await cursor.execute(SEARCH_PATHS)
    paths = dict(await cursor.fetchall())
    shadows = {}
    for whose, text in {"this session": None, **paths}.items():
        if text is not None:
            await cursor.execute(SET_PATH, {"path": text})
        await cursor.execute(SHADOWS, parameters)
        for (name,) in await cursor.fetchall():
            shadows[f"{name} in the search path of {whose}"] = {"schemas": path if text is None else text}
    return shadows


def of_kind(description: Description, kind: str) -> list[str]:
    return [name.removeprefix(f"{kind} ") for name in description if name.startswith(f"{kind} ")]


def grantees(description: Description) -> list[str]:
    grants = of_kind(description, "grant")
    return sorted({grant.rpartition(FOR)[2] for grant in grants} - {"PUBLIC"})
