"""Whether two sealed entries have the same content."""

import msgspec

OMITTED = "changes_omitted"


def has_same_content(one: bytes, other: bytes) -> bool:
    """Compare two canonical bodies except for what the server added: `received_at`, and a time taken from it.

    If the server omitted the changes of one, which depends on its limits, they are not compared: `before` and `after`
    imply them.
    """
    return one == other or comparable_fields(one, other) == comparable_fields(other, one)


def comparable_fields(body: bytes, other: bytes) -> bytes:
    """The fields of `body` to compare with those of `other`."""
    fields = msgspec.json.decode(body)
    if OMITTED in fields or OMITTED in msgspec.json.decode(other):
        fields.pop(OMITTED, None)
        fields.pop("changes", None)
    received_at = fields.pop("received_at", None)
    if fields.get("occurred_at") == received_at:
        fields.pop("occurred_at", None)
    # As bytes: in Python true equals 1, and 2**53 + 1.0 equals 2**53.
    return msgspec.json.encode(fields)
