"""Requests about dead letters, and their answers."""

import uuid
from base64 import b64decode
from datetime import datetime

import msgspec

from trenova.client.messages import Call

PATH = "/v1/dead-letters"


class DeadLetterAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A dead letter as the API answers with it. Times are UTC."""

    id: uuid.UUID
    state: str
    tenant: str | None = None
    entry_id: uuid.UUID | None = None
    batch_id: str
    ordinal: int
    code: str
    reason: str
    attempts: int
    parked_at: datetime
    tried_at: datetime
    next_try_at: datetime | None = None
    edited_by: str | None = None
    stored_at: datetime | None = None
    body: str | None = None

    @property
    def bytes(self) -> bytes:
        """The exact bytes of the entry; empty once it is stored, or where they were not asked for."""
        return b64decode(self.body or "")


class DeadLetterPage(msgspec.Struct, frozen=True):
    dead_letters: list[DeadLetterAnswer]
    next_cursor: str | None = None


class ReplayAnswer(msgspec.Struct, frozen=True):
    """What became of a replay of many: `due` were made due, `tried` is the sum of the other two."""

    due: int
    tried: int = 0
    stored: int = 0
    parked: int = 0


def page(*, tenant: str | None, state: str, cursor: str | None, limit: int, bodies: bool) -> Call:
    filters = {"tenant": tenant, "state": state, "cursor": cursor, "limit": str(limit)}
    params = {name: value for name, value in filters.items() if value is not None}
    return Call(method="GET", path=PATH, params=params | ({"bodies": "true"} if bodies else {}))


def read(letter_id: str) -> Call:
    return Call(method="GET", path=f"{PATH}/{uuid.UUID(letter_id)}")


def edit(letter_id: str, entry: bytes) -> Call:
    return Call(method="POST", path=f"{PATH}/{uuid.UUID(letter_id)}", content=entry)


def replay(letter_id: str) -> Call:
    return Call(method="POST", path=f"{PATH}/{uuid.UUID(letter_id)}/replay")


def replay_all(tenant: str | None) -> Call:
    return Call(method="POST", path=f"{PATH}/replay", params={} if tenant is None else {"tenant": tenant})
