"""The database role of each kind of process, and its rights as the migrations grant them."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

API, WORKER, OPERATOR = "trenova_api", "trenova_worker", "trenova_operator"
FORMER = "trenova_app"
"""Of releases with one role for API and worker. A login in it still works, and should be moved."""

Columns = AbstractSet[str] | None
"""None: all of them."""
Table = Mapping[str, Columns]
"""The columns by kind of right, such as `INSERT`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    tables: Mapping[str, Table]
    functions: AbstractSet[str]
    """With the types of their arguments, as PostgreSQL writes them."""
    temporary: bool = False
    """Whether it may make temporary tables."""


def columns(names: str) -> Columns:
    return frozenset(names.split())


READ: Table = {"SELECT": None}
KEY: Table = {"SELECT": columns("id name tenant role created_at revoked_at fingerprint")}

LOGS = dict.fromkeys(
    (
        *("batches", "checkpoints", "cosignatures", "dead_letters", "entries", "heads", "refused_checkpoints"),
        *("reconciliations", "schema_version", "tiles", "unstored_runs"),
    ),
    READ,
)
DECISIONS = dict.fromkeys(
    ("legal_holds", "removals", "retention_policies", "retention_positions", "system_records"), READ
)
PREVIEW_REMOVAL = frozenset({"expired_entries(text,bigint)", "retention_days(text)"})
FIND_KEYS = "find_api_keys(text[],bytea[])"

# What workers change, beyond what they read.
APPENDING: Mapping[str, Table] = {
    "batches": {"INSERT": columns("tenant batch_id run_id first_index stored duplicate")},
    "checkpoints": {"INSERT": columns("tenant size note")},
    "cosignatures": {"INSERT": None},
    "dead_letters": {
        "INSERT": columns("id tenant entry_id batch_id ordinal body code reason next_try_at"),
        "UPDATE": columns("tenant entry_id code reason attempts tried_at next_try_at stored_at"),
    },
    "entries": {"INSERT": None},
    "heads": {"INSERT": columns("tenant"), "UPDATE": columns("size frontier")},
    "reconciliations": {"INSERT": None, "UPDATE": columns("closed_until all_at finished_at")},
    "refused_checkpoints": {"INSERT": None, "UPDATE": columns("last_refused_at times settled_at")},
    "system_records": {"UPDATE": columns("appended_at")},
    "tiles": {"INSERT": None, "UPDATE": columns("hashes")},
    "unstored_runs": {"INSERT": None, "UPDATE": columns("reason stored parked settled_at")},
}
REMOVING = frozenset({"remove_entries(text,bigint)", "sign_anew(text[],bigint[],bytea[])"})


def with_rights(tables: Mapping[str, Table], more: Mapping[str, Table]) -> dict[str, Table]:
    return {name: {**tables.get(name, {}), **more.get(name, {})} for name in tables.keys() | more.keys()}


ROLES: Mapping[str, Role] = {
    API: Role(
        tables=LOGS,
        functions=frozenset(
            {FIND_KEYS, "edit_letter(uuid,text,uuid,bytea,text)", "make_letters_due(text,uuid)"},
        ),
    ),
    WORKER: Role(
        tables=with_rights({**LOGS, **DECISIONS, "api_keys": KEY}, APPENDING),
        functions=PREVIEW_REMOVAL | REMOVING,
        temporary=True,
    ),
    OPERATOR: Role(
        tables={**LOGS, **DECISIONS, "api_keys": KEY},
        functions=PREVIEW_REMOVAL
        | {FIND_KEYS, "create_api_key(text,bytea,text,text,text,text)", "revoke_api_key(text,text)"},
    ),
}

FORMER_RIGHTS = Role(tables={"api_keys": READ, "dead_letters": {"UPDATE": columns("body sent")}}, functions=frozenset())
"""What the former role has beyond the rights of API and worker."""
