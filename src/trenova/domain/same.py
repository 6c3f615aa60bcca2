"""Whether two sealed entries say the same."""

import msgspec


def same_content(one: bytes, other: bytes) -> bool:
    """Compare two canonical bodies but for what receiving them added: `received_at`, and a time taken from it."""
    return one == other or sent(one) == sent(other)


def sent(body: bytes) -> bytes:
    fields = msgspec.json.decode(body)
    received_at = fields.pop("received_at", None)
    if fields.get("occurred_at") == received_at:
        fields.pop("occurred_at", None)
    # As bytes: for Python true is 1, and 2**53 + 1.0 is 2**53.
    return msgspec.json.encode(fields)
