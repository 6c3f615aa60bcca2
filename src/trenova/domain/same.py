"""Whether two sealed entries say the same."""

from typing import Any

import msgspec


def same_content(one: bytes, other: bytes) -> bool:
    """Compare two canonical bodies but for what receiving them added: `received_at`, and a time taken from it."""
    return one == other or sent(one) == sent(other)


def sent(body: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.json.decode(body)
    received_at = fields.pop("received_at", None)
    if fields.get("occurred_at") == received_at:
        fields.pop("occurred_at", None)
    return fields
